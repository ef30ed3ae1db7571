//===- None.cpp - no tensor parallelism -------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One rank holds everything; data parallelism appears in no type.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"

using namespace colo::dist;

namespace {
class NonePolicy : public Policy {
public:
  std::vector<std::pair<std::string, int64_t>> axes() const override { return {}; }
  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &) const override {
    return Sharding::whole(static_cast<int64_t>(shape.size()));
  }
  int scatterDim(llvm::ArrayRef<int64_t>, llvm::StringRef) const override { return -1; }
  bool cutsParameters(llvm::StringRef) const override { return false; }
  int parameterFactor(const ParameterUse &) const override { return -1; }
  int64_t vocabularyShards() const override { return 1; }
};
} // namespace

const Mode colo::dist::kNoneMode = {{"none", GroupShape::One}, [](const ShardingOptions &) -> std::unique_ptr<Policy> {
                                      return std::make_unique<NonePolicy>();
                                    }};
