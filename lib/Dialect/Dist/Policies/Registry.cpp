//===- Registry.cpp - the parallel modes by name ----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"
#include "llvm/ADT/StringExtras.h"

using namespace colo::dist;

Policy::~Policy() = default;

AttentionCut Policy::attentionCut(llvm::StringRef) const { return AttentionCut::Cheapest; }

bool Policy::mayRepeat(llvm::StringRef) const { return false; }

int colo::dist::chooseOutputFactor(llvm::ArrayRef<int> outputs, llvm::function_ref<bool(int factor)> fits,
                                   llvm::function_ref<bool(int factor)> survives) {
  llvm::SmallVector<int> candidates;
  llvm::copy_if(outputs, std::back_inserter(candidates), survives);
  if (candidates.empty())
    candidates.assign(outputs.begin(), outputs.end());
  for (int factor : candidates)
    if (fits(factor))
      return factor;
  return candidates.empty() ? kNoFactor : candidates.front();
}

namespace {
struct Mode {
  llvm::StringLiteral name;
  std::unique_ptr<Policy> (*make)(const ShardingOptions &);
  std::vector<ShardingOptions> (*listGroups)(int64_t size);

  std::vector<ShardingOptions> groups(int64_t size) const {
    std::vector<ShardingOptions> result = listGroups(size);
    for (ShardingOptions &options : result) {
      options.mode = name;
      options.size = size;
    }
    return result;
  }
};
} // namespace

/// The first cuts nothing.
static constexpr Mode kModes[] = {{"none", makeNonePolicy, listNoneGroups},
                                  {"1d", makeOneDPolicy, listOneDGroups},
                                  {"2d", makeTwoDPolicy, listTwoDGroups},
                                  {"2.5d", makeTwoHalfDPolicy, listTwoHalfDGroups},
                                  {"3d", makeThreeDPolicy, listThreeDGroups},
                                  {"sequence", makeSequencePolicy, listSequenceGroups},
                                  {"ulysses", makeUlyssesPolicy, listSequenceGroups}};

/// What may divide the sequence beside a tensor mode.
static constexpr Mode kSequenceModes[] = {{"ring", makeSequencePolicy, listSequenceGroups},
                                          {"ulysses", makeUlyssesPolicy, listSequenceGroups}};

static std::unique_ptr<Policy> make(llvm::ArrayRef<Mode> modes, llvm::StringRef name, const ShardingOptions &options) {
  const Mode *mode = llvm::find_if(modes, [&](const Mode &m) { return m.name == name; });
  return mode == modes.end() ? nullptr : mode->make(options);
}

bool colo::dist::isModeSupported(llvm::StringRef mode) {
  return llvm::any_of(kModes, [&](const Mode &m) { return m.name == mode; });
}

std::string colo::dist::supportedModes() {
  return llvm::join(llvm::map_range(kModes, [](const Mode &m) { return m.name.str(); }), ", ");
}

std::unique_ptr<Policy> colo::dist::makePolicy(const ShardingOptions &options) {
  std::unique_ptr<Policy> policy = make(kModes, options.mode, options);
  if (policy && options.sequenceSize > 1) {
    ShardingOptions sequenceOptions;
    sequenceOptions.size = options.sequenceSize;
    std::unique_ptr<Policy> sequence = make(kSequenceModes, options.sequenceMode, sequenceOptions);
    policy = sequence ? composePolicies(std::move(sequence), std::move(policy)) : nullptr;
  }
  if (policy)
    policy->options = options;
  return policy;
}

std::string colo::dist::describe(const ShardingOptions &options) {
  std::string text = options.mode;
  const Mode *mode = llvm::find_if(kModes, [&](const Mode &m) { return m.name == options.mode; });
  if (mode != std::end(kModes) &&
      llvm::any_of(mode->groups(options.size), [](const ShardingOptions &group) { return group.depth > 1; }))
    text += " depth=" + std::to_string(options.depth);
  return text + (options.sequenceParallel ? " sequence_parallel" : "");
}

std::vector<ShardingOptions> colo::dist::tensorGroups(int64_t world) {
  std::vector<ShardingOptions> groups;
  for (const Mode &mode : kModes)
    for (int64_t size = 1; size <= world; ++size)
      if (world % size == 0)
        for (const ShardingOptions &options : mode.groups(size))
          if (size > 1 || &mode == std::begin(kModes))
            groups.push_back(options);
  return groups;
}

/// Beyond this no size is tried.
static constexpr int64_t kLargestGroup = int64_t(1) << 20;

/// Into how many parts a dim is cut by the axes so named. A mode may join its axes into one.
static int64_t partsOver(llvm::ArrayRef<std::string> axes, const ShardingOptions &options) {
  int64_t parts = 1, all = 1;
  bool known = false;
  for (const auto &[name, length] : makePolicy(options)->axes()) {
    all *= length;
    if (llvm::is_contained(axes, name)) {
      known = true;
      parts *= length;
    }
  }
  return known ? parts : all;
}

/// Tensor sizes of the mode, at most 16, with which the axes cut a dim evenly, other options alike.
static std::vector<int64_t> tensorSizes(int64_t size, llvm::ArrayRef<std::string> axes, ShardingOptions options) {
  const Mode *mode = llvm::find_if(kModes, [&](const Mode &m) { return m.name == options.mode; });
  auto isLegal = [&](const ShardingOptions &group) { return group.depth == options.depth; };
  std::vector<int64_t> sizes;
  // A mode has at most three axes that grow with its size.
  int64_t largest = size < 100 ? std::min(kLargestGroup, options.depth * size * size * size) : kLargestGroup;
  for (options.size = 1; options.size <= largest && sizes.size() < 16; ++options.size)
    if (llvm::any_of(mode->groups(options.size), isLegal) && size % partsOver(axes, options) == 0)
      sizes.push_back(options.size);
  return sizes;
}

static std::vector<int64_t> sequenceSizes(int64_t size) {
  std::vector<int64_t> sizes;
  for (int64_t parts = 1; parts <= size && sizes.size() < 16; ++parts)
    if (size % parts == 0)
      sizes.push_back(parts);
  return sizes;
}

std::string colo::dist::describeSizesThatDivide(int64_t size, llvm::ArrayRef<std::string> axes,
                                                const ShardingOptions &options) {
  ShardingOptions tensor = options;
  tensor.sequenceSize = 1;
  bool isTensor =
      llvm::any_of(makePolicy(tensor)->axes(), [&](const auto &axis) { return llvm::is_contained(axes, axis.first); });
  std::vector<int64_t> sizes = isTensor ? tensorSizes(size, axes, options) : sequenceSizes(size);
  auto numbers = llvm::map_range(sizes, [](int64_t number) { return std::to_string(number); });
  return (isTensor ? "tensor sizes of mode '" + options.mode + "'" : std::string("sequence sizes")) +
         " that divide it: " + llvm::join(numbers, ", ");
}

Mesh colo::dist::makeMesh(const Policy &policy, bool hasCausalAttention) {
  Mesh mesh;
  for (auto &[name, size] : policy.axes())
    if (size > 1) {
      if (hasCausalAttention && policy.attentionCut(name) == AttentionCut::Ring)
        mesh.zigzag.push_back(mesh.rank());
      mesh.names.push_back(name);
      mesh.sizes.push_back(size);
    }
  return mesh;
}
