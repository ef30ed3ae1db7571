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

using namespace colo::dist;

const Mode colo::dist::kTwoHalfDMode = {{"2.5d", GroupShape::Square, /*takesDepth=*/true},
                                        [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                          return std::make_unique<GridPolicy>(options.size, options.depth);
                                        }};
