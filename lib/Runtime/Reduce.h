//===- Reduce.h - element-wise folds in rank order ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// result[i] = ((source[0][i] op source[1][i]) op source[2][i]) ..., written to
// every target. The order is that of the ranks, so the result does not depend on
// how a range is cut or by whom. A target may be one of the sources.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_REDUCE_H
#define COLO_LIB_RUNTIME_REDUCE_H

#include "colo/Runtime/Nccl.h"

namespace colo::runtime {

/// Elements [begin, end); those of 16-bit floats are rounded after the last
/// operation. False if the type or the operation does not exist.
bool foldInRankOrder(const void *const *sources, int sourceCount, void *const *targets, int targetCount, size_t begin,
                     size_t end, ncclDataType_t type, ncclRedOp_t op);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_REDUCE_H
