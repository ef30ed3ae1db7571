//===- Emulator.h - GPU kernels on the host ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `emulate-gpu` makes of a kernel whose threads wait for each other calls
// these. The threads of a block take turns on the calling thread; memory for
// them is allocated when a thread emulates for the first time, and when a block
// is larger than any before.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_EMULATOR_H
#define COLO_RUNTIME_EMULATOR_H

#include "colo/Runtime/Program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs blocks [begin, end) of `threads` threads: thread(arguments and the
 * block's shared memory, block, thread). `arguments` has `count` slots; shared
 * memory holds no defined values when a block starts. A barrier or shuffle that
 * not all threads reach ends the process with exit code 70 and says which. */
void colo_emulate(ColoKernel thread, void **arguments, int64_t count, int64_t sharedBytes, int64_t begin, int64_t end,
                  int64_t threads, const char *kernel);
/* Inside: waits until all threads of the block are at barrier `site`. */
void colo_emulate_barrier(int64_t site);
/* Inside: the value that thread (lane ^ offset) of the warp brings. */
uint64_t colo_emulate_shuffle(uint64_t value, int32_t offset);

#ifdef __cplusplus
}
#endif

#endif /* COLO_RUNTIME_EMULATOR_H */
