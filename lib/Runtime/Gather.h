//===- Gather.h - what all ranks know, at rank 0 --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_GATHER_H
#define COLO_LIB_RUNTIME_GATHER_H

#include "Rank.h"

#include <string>
#include <vector>

namespace colo::runtime {

/// Every rank calls it with bytes of its own; at rank 0 `all` becomes those of all ranks, in their order.
Status gather(Rank &rank, const std::string &own, std::vector<std::string> &all);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_GATHER_H
