//===- Composed.cpp - two modes over axes of their own ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ranks of a tensor group as a grid: one mode decides what the major axes cut,
// another what the minor axes cut, and neither knows of the other. A value between
// layers is cut by both, the major axes first. What a mode says of an axis holds
// for its own axes only, so a mode that fixes products as a whole, over all axes
// at once, cannot be a part.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"

using namespace colo::dist;

namespace {
class ComposedPolicy : public Policy {
public:
  ComposedPolicy(std::unique_ptr<Policy> major, std::unique_ptr<Policy> minor)
      : major(std::move(major)), minor(std::move(minor)) {}

  std::vector<std::pair<std::string, int64_t>> axes() const override {
    std::vector<std::pair<std::string, int64_t>> all = major->axes();
    llvm::append_range(all, minor->axes());
    return all;
  }

  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const override {
    Sharding sharding = major->boundary(shape, mesh);
    for (auto [axes, more] : llvm::zip(sharding.dims, minor->boundary(shape, mesh).dims))
      llvm::append_range(axes, more);
    return sharding;
  }

  Sharding transit(llvm::ArrayRef<int64_t> shape, const Sharding &held, const Mesh &mesh) const override {
    return minor->transit(shape, major->transit(shape, held, mesh), mesh);
  }

  int scatterDim(llvm::ArrayRef<int64_t> shape, llvm::StringRef axis) const override {
    return of(axis).scatterDim(shape, axis);
  }
  bool cutsParameters(llvm::StringRef axis) const override { return of(axis).cutsParameters(axis); }
  int parameterFactor(const ParameterUse &use) const override { return of(use.axis).parameterFactor(use); }
  bool mayRepeat(llvm::StringRef axis) const override { return of(axis).mayRepeat(axis); }
  AttentionCut attentionCut(llvm::StringRef axis) const override { return of(axis).attentionCut(axis); }
  int64_t vocabularyShards() const override { return major->vocabularyShards() * minor->vocabularyShards(); }

private:
  const Policy &of(llvm::StringRef axis) const {
    return llvm::any_of(major->axes(), [&](const auto &known) { return known.first == axis; }) ? *major : *minor;
  }

  std::unique_ptr<Policy> major, minor;
};
} // namespace

std::unique_ptr<Policy> colo::dist::composePolicies(std::unique_ptr<Policy> major, std::unique_ptr<Policy> minor) {
  return std::make_unique<ComposedPolicy>(std::move(major), std::move(minor));
}
