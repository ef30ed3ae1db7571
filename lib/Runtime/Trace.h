//===- Trace.h - the last step as a Chrome trace --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_TRACE_H
#define COLO_LIB_RUNTIME_TRACE_H

#include "Rank.h"

namespace colo::runtime {

/// Every rank calls it after its last step; rank 0 writes --trace, where it is asked for.
Status writeTrace(Rank &rank);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_TRACE_H
