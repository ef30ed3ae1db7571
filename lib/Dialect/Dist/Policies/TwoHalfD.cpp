//===- TwoHalfD.cpp - planes of q x q ranks, `depth` of them ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Mode 2.5d: Grid.h with as many planes as the depth says.
//
//===----------------------------------------------------------------------===//

#include "Grid.h"

std::unique_ptr<colo::dist::Policy> colo::dist::makeTwoHalfDPolicy(const ShardingOptions &options) {
  return std::make_unique<GridPolicy>(options.size, options.depth);
}

std::vector<colo::dist::ShardingOptions> colo::dist::listTwoHalfDGroups(int64_t size) {
  std::vector<ShardingOptions> groups;
  for (int64_t q = 1; q * q <= size; ++q)
    if (size % (q * q) == 0)
      groups.emplace_back().depth = size / (q * q);
  std::reverse(groups.begin(), groups.end());
  return groups;
}
