//===- Sequence.cpp - everything cut along the sequence ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every value that has a sequence is cut along it over one axis, parameters are
// whole and their gradients are partial until the end of the step. Only
// attention looks across the sequence: as a ring, where keys and values go
// round (Liu et al., 2310.01889), or after an exchange that cuts heads in place
// of the sequence (Jacobs et al., 2309.14509).
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"

using namespace colo::dist;

namespace {
class SequencePolicy : public Policy {
public:
  SequencePolicy(const ShardingOptions &options, AttentionCut cut) : size(options.size), cut(cut) {}

  std::vector<std::pair<std::string, int64_t>> axes() const override { return {{"sp", size}}; }

  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const override {
    Sharding sharding = Sharding::whole(static_cast<int64_t>(shape.size()));
    if (std::optional<int> axis = mesh.find("sp"); axis && hasSequence(shape))
      sharding.dims[kSequenceDim] = {*axis};
    return sharding;
  }

  int scatterDim(llvm::ArrayRef<int64_t> shape, llvm::StringRef) const override {
    return hasSequence(shape) ? kSequenceDim : -1;
  }

  bool cutsParameters(llvm::StringRef) const override { return false; }
  int parameterFactor(const ParameterUse &) const override { return -1; }
  AttentionCut attentionCut(llvm::StringRef) const override { return cut; }
  int64_t vocabularyShards() const override { return 1; }

private:
  /// Values between layers are [batch, sequence, features].
  static constexpr int kSequenceDim = 1;
  static bool hasSequence(llvm::ArrayRef<int64_t> shape) { return shape.size() == 3; }

  int64_t size;
  AttentionCut cut;
};
} // namespace

static ModeDescription describeMode(llvm::StringRef name, llvm::StringRef sequenceName) {
  ModeDescription mode{name};
  mode.sequenceName = sequenceName;
  return mode;
}

const Mode colo::dist::kSequenceMode = {describeMode("sequence", "ring"),
                                        [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                          return std::make_unique<SequencePolicy>(options, AttentionCut::Ring);
                                        }};

const Mode colo::dist::kUlyssesMode = {describeMode("ulysses", "ulysses"),
                                       [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                         return std::make_unique<SequencePolicy>(options, AttentionCut::Heads);
                                       }};
