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
};
} // namespace

static constexpr Mode kModes[] = {{"none", makeNonePolicy},      {"1d", makeOneDPolicy},
                                  {"2d", makeTwoDPolicy},        {"2.5d", makeTwoHalfDPolicy},
                                  {"3d", makeThreeDPolicy},      {"sequence", makeSequencePolicy},
                                  {"ulysses", makeUlyssesPolicy}};

/// What may divide the sequence beside a tensor mode.
static constexpr Mode kSequenceModes[] = {{"ring", makeSequencePolicy}, {"ulysses", makeUlyssesPolicy}};

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
  std::unique_ptr<Policy> tensor = make(kModes, options.mode, options);
  if (!tensor || options.sequenceSize == 1)
    return tensor;
  ShardingOptions sequenceOptions;
  sequenceOptions.size = options.sequenceSize;
  std::unique_ptr<Policy> sequence = make(kSequenceModes, options.sequenceMode, sequenceOptions);
  return sequence ? composePolicies(std::move(sequence), std::move(tensor)) : nullptr;
}

Mesh colo::dist::makeMesh(const Policy &policy) {
  Mesh mesh;
  for (auto &[name, size] : policy.axes())
    if (size > 1) {
      mesh.names.push_back(name);
      mesh.sizes.push_back(size);
    }
  return mesh;
}
