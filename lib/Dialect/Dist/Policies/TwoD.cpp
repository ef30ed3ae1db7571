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

using namespace colo::dist;

const Mode colo::dist::kTwoDMode = {{"2d", GroupShape::Square},
                                    [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                      return std::make_unique<GridPolicy>(options.size, /*depth=*/1);
                                    }};
