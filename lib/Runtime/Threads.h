//===- Threads.h - threads inside a rank -------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank's threads are libgomp's, the pool that oneDNN uses too. libgomp keeps
// one pool per thread that starts parallel regions, so ranks do not share one.
// Emitted code and oneDNN's binary call libgomp; the runtime calls its entry
// point directly, so that it does not depend on which compiler builds it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_THREADS_H
#define COLO_LIB_RUNTIME_THREADS_H

#include <cstdint>

namespace colo::runtime {

/// Threads of the calling rank, for colo_launch and oneDNN.
void setRankThreads(int64_t threads);
int64_t rankThreads();

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_THREADS_H
