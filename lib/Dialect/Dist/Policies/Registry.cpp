//===- Registry.cpp - the parallel modes by name ----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace colo::dist;

Policy::~Policy() = default;

AttentionCut Policy::attentionCut(llvm::StringRef) const { return AttentionCut::Cheapest; }

Sharding Policy::transit(llvm::ArrayRef<int64_t>, const Sharding &held, const Mesh &) const { return held; }

bool Policy::mayRepeat(llvm::StringRef) const { return false; }

int colo::dist::chooseOutputFactor(const FactorMap &map, llvm::ArrayRef<int> outputs,
                                   llvm::function_ref<bool(int factor)> fits,
                                   llvm::function_ref<bool(int factor)> survives) {
  llvm::SmallVector<int> candidates;
  auto canBeCut = [&](int factor) { return survives(factor) && (map.factors[factor].size > 1 || fits(factor)); };
  llvm::copy_if(outputs, std::back_inserter(candidates), canBeCut);
  if (candidates.empty())
    candidates.assign(outputs.begin(), outputs.end());
  for (int factor : candidates)
    if (fits(factor))
      return factor;
  return candidates.empty() ? kNoFactor : candidates.front();
}

/// In the order of messages and tables. The first cuts nothing.
static const Mode *const kModes[] = {&kNoneMode,   &kOneDMode,     &kTwoDMode,   &kTwoHalfDMode,
                                     &kThreeDMode, &kSequenceMode, &kUlyssesMode};

static const Mode *find(llvm::function_ref<bool(const ModeDescription &)> holds) {
  const auto *it = llvm::find_if(kModes, [&](const Mode *mode) { return holds(mode->description); });
  return it == std::end(kModes) ? nullptr : *it;
}

static const Mode *find(llvm::StringRef name) {
  return find([&](const ModeDescription &mode) { return mode.name == name; });
}

static const Mode *findBesideOthers(llvm::StringRef name) {
  return find([&](const ModeDescription &mode) { return !name.empty() && mode.sequenceName == name; });
}

static const ModeDescription *descriptionOf(const Mode *mode) { return mode ? &mode->description : nullptr; }

const ModeDescription *colo::dist::findMode(llvm::StringRef name) { return descriptionOf(find(name)); }

const ModeDescription *colo::dist::findSequenceMode(llvm::StringRef name) {
  return descriptionOf(findBesideOthers(name));
}

llvm::SmallVector<llvm::StringRef> colo::dist::modeNames(llvm::function_ref<bool(const ModeDescription &)> holds) {
  llvm::SmallVector<llvm::StringRef> names;
  for (const Mode *mode : kModes)
    if (mode->description.shape != GroupShape::One && holds(mode->description))
      names.push_back(mode->description.name);
  return names;
}

llvm::SmallVector<llvm::StringRef> colo::dist::sequenceModeNames() {
  llvm::SmallVector<llvm::StringRef> names;
  for (const Mode *mode : kModes)
    if (!mode->description.sequenceName.empty())
      names.push_back(mode->description.sequenceName);
  return names;
}

int64_t colo::dist::ranksOf(GroupShape shape, int64_t side) {
  switch (shape) {
  case GroupShape::One:
    return 1;
  case GroupShape::Any:
    return side;
  case GroupShape::Square:
    return side * side;
  case GroupShape::Cube:
    return side * side * side;
  }
  llvm_unreachable("unknown shape");
}

int64_t colo::dist::sideOf(GroupShape shape, int64_t ranks) {
  if (shape == GroupShape::One || shape == GroupShape::Any)
    return ranksOf(shape, ranks);
  int64_t side = std::llround(std::pow(static_cast<double>(ranks), shape == GroupShape::Square ? 1.0 / 2 : 1.0 / 3));
  while (side > 0 && ranksOf(shape, side) > ranks)
    --side;
  return side;
}

/// The groups of `size` ranks that a mode can make.
static std::vector<ShardingOptions> groupsOf(const ModeDescription &mode, int64_t size) {
  std::vector<ShardingOptions> groups;
  for (int64_t depth = 1; depth <= (mode.takesDepth ? size : 1); ++depth) {
    if (size % depth || ranksOf(mode.shape, sideOf(mode.shape, size / depth)) * depth != size)
      continue;
    ShardingOptions options;
    options.mode = mode.name.str();
    options.size = size;
    options.depth = depth;
    groups.push_back(options);
    options.sequenceParallel = true;
    if (mode.takesSequenceParallel)
      groups.push_back(options);
  }
  return groups;
}

std::string colo::dist::supportedModes() {
  return llvm::join(llvm::map_range(kModes, [](const Mode *mode) { return mode->description.name.str(); }), ", ");
}

/// Of the sequence beside the tensor mode; null if it is of no known mode.
static std::unique_ptr<Policy> makeSequencePolicy(const ShardingOptions &options) {
  const Mode *mode =
      findBesideOthers(options.sequenceMode.empty() ? sequenceModeNames().front() : options.sequenceMode);
  ShardingOptions alone;
  alone.size = options.sequenceSize;
  return mode ? mode->make(alone) : nullptr;
}

std::unique_ptr<Policy> colo::dist::makePolicy(const ShardingOptions &options) {
  const Mode *mode = find(options.mode);
  std::unique_ptr<Policy> policy = mode ? mode->make(options) : nullptr;
  if (policy && options.sequenceSize > 1) {
    std::unique_ptr<Policy> sequence = makeSequencePolicy(options);
    policy = sequence ? composePolicies(std::move(sequence), std::move(policy)) : nullptr;
  }
  if (policy)
    policy->options = options;
  return policy;
}

std::string colo::dist::describe(const ShardingOptions &options) {
  std::string text = options.mode;
  if (const ModeDescription *mode = findMode(options.mode); mode && mode->takesDepth)
    text += " depth=" + std::to_string(options.depth);
  text += options.sequenceParallel ? " sequence_parallel" : "";
  return text + (options.sequenceSize > 1 ? ", " + options.sequenceMode : "");
}

/// Each group with a sequence beside it, as many of them as fit into `world` ranks.
static std::vector<ShardingOptions> withSequences(llvm::ArrayRef<ShardingOptions> groups, int64_t world) {
  std::vector<ShardingOptions> result;
  for (llvm::StringRef sequence : sequenceModeNames())
    for (ShardingOptions options : groups)
      for (int64_t parts = 2; parts * options.size <= world; ++parts)
        if (world % (parts * options.size) == 0) {
          options.sequenceMode = sequence.str();
          options.sequenceSize = parts;
          result.push_back(options);
        }
  return result;
}

std::vector<ShardingOptions> colo::dist::tensorGroups(int64_t world) {
  std::vector<ShardingOptions> all;
  for (const Mode *mode : kModes) {
    std::vector<ShardingOptions> groups;
    for (int64_t size = 1; size <= world; ++size)
      if (world % size == 0 && (size > 1 || mode->description.shape == GroupShape::One))
        llvm::append_range(groups, groupsOf(mode->description, size));
    llvm::append_range(all, groups);
    if (mode->description.takesSequenceMode)
      llvm::append_range(all, withSequences(groups, world));
  }
  return all;
}

std::vector<int64_t> colo::dist::divisorsOf(int64_t n) {
  std::vector<int64_t> small, large;
  for (int64_t i = 1; i <= n / i; ++i)
    if (n % i == 0) {
      small.push_back(i);
      if (i != n / i)
        large.push_back(n / i);
    }
  small.insert(small.end(), large.rbegin(), large.rend());
  return small;
}

std::vector<ShardingOptions> colo::dist::resizedGroups(const ShardingOptions &options, int64_t dim) {
  const ModeDescription &mode = *findMode(options.mode);
  std::vector<ShardingOptions> groups;
  for (int64_t length : divisorsOf(dim)) {
    int64_t size = 0;
    if (length > kMostRanks || (mode.shape == GroupShape::One && length > 1) ||
        __builtin_mul_overflow(options.depth, ranksOf(mode.shape, length), &size) || size > kMostRanks)
      break;
    groups.push_back(options);
    groups.back().size = size;
  }
  return groups;
}

std::vector<ShardingOptions> colo::dist::resizedSequences(const ShardingOptions &options, int64_t dim) {
  std::vector<ShardingOptions> groups;
  for (int64_t parts : divisorsOf(dim)) {
    if (parts > kMostRanks / options.size)
      break;
    groups.push_back(options);
    groups.back().sequenceSize = parts;
  }
  return groups;
}

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

std::string colo::dist::joinNumbers(llvm::ArrayRef<int64_t> numbers) {
  constexpr size_t kMost = 16;
  return llvm::join(llvm::map_range(numbers.take_front(kMost), [](int64_t n) { return std::to_string(n); }), ", ");
}

bool colo::dist::isSequenceAxis(llvm::StringRef axis, const ShardingOptions &options) {
  if (options.sequenceSize == 1)
    return false;
  std::unique_ptr<Policy> sequence = makeSequencePolicy(options);
  return sequence && llvm::any_of(sequence->axes(), [&](const auto &own) { return own.first == axis; });
}

/// "1 x 2, 2 x 1": the pairs of tensor and sequence sizes of which a group is legal, at most 16.
static std::string joinLegalPairs(int64_t dim, const ShardingOptions &options,
                                  llvm::function_ref<bool(const ShardingOptions &)> isLegal) {
  constexpr size_t kMost = 16;
  std::vector<std::string> pairs;
  for (const ShardingOptions &tensor : resizedGroups(options, dim))
    for (const ShardingOptions &group : resizedSequences(tensor, dim))
      if (pairs.size() < kMost && isLegal(group))
        pairs.push_back(std::to_string(group.size) + " x " + std::to_string(group.sequenceSize));
  return llvm::join(pairs, ", ");
}

std::vector<std::string> colo::dist::describeLegalGroups(int64_t dim, const ShardingOptions &options, bool resizeTensor,
                                                         bool resizeSequence,
                                                         llvm::function_ref<bool(const ShardingOptions &)> isLegal) {
  auto legalOf = [&](llvm::ArrayRef<ShardingOptions> groups, int64_t ShardingOptions::*size) {
    std::vector<int64_t> sizes;
    for (const ShardingOptions &group : groups)
      if (isLegal(group))
        sizes.push_back(group.*size);
    return sizes;
  };
  std::vector<std::string> texts;
  auto add = [&](const std::string &what, llvm::ArrayRef<int64_t> sizes) {
    if (!sizes.empty())
      texts.push_back(what + " that divide it: " + joinNumbers(sizes));
  };
  if (resizeTensor)
    add("tensor sizes of mode '" + options.mode + "'", legalOf(resizedGroups(options, dim), &ShardingOptions::size));
  if (resizeSequence)
    add("sequence sizes", legalOf(resizedSequences(options, dim), &ShardingOptions::sequenceSize));
  if (!texts.empty() || options.sequenceSize == 1)
    return texts;
  std::string pairs = joinLegalPairs(dim, options, isLegal);
  std::string alone = resizeTensor && resizeSequence ? "no tensor size alone and no sequence size alone divides it"
                      : resizeTensor                 ? "no tensor size alone divides it"
                                                     : "no sequence size alone divides it";
  return {alone + (pairs.empty() ? "" : "; tensor x sequence sizes that do: " + pairs)};
}

std::string colo::dist::describeSizesThatDivide(int64_t size, llvm::ArrayRef<std::string> axes,
                                                const ShardingOptions &options) {
  auto isSequence = [&](const std::string &axis) { return isSequenceAxis(axis, options); };
  bool ofTensor = !llvm::all_of(axes, isSequence), ofSequence = llvm::any_of(axes, isSequence);
  auto isLegal = [&](const ShardingOptions &group) {
    return (group.sequenceSize == 1 && !ofTensor) || size % partsOver(axes, group) == 0;
  };
  return llvm::join(describeLegalGroups(size, options, ofTensor, ofSequence, isLegal), "; ");
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
