//===- TwoD.cpp - one plane of q x q ranks ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Mode 2d: Grid.h with one plane.
//
//===----------------------------------------------------------------------===//

#include "Grid.h"

std::unique_ptr<colo::dist::Policy> colo::dist::makeTwoDPolicy(const ShardingOptions &options) {
  return std::make_unique<GridPolicy>(options.size, /*depth=*/1);
}

std::vector<colo::dist::ShardingOptions> colo::dist::listTwoDGroups(int64_t size) {
  return std::vector<ShardingOptions>(GridPolicy::isSquare(size) ? 1 : 0);
}
