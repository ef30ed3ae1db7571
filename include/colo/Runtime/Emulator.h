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
 * memory holds no defined values when a block starts. What threads wait at and not
 * all of them, or of a warp, reach ends the process with exit code 70 and says which. */
void colo_emulate(ColoKernel thread, void **arguments, int64_t count, int64_t sharedBytes, int64_t begin, int64_t end,
                  int64_t threads, const char *kernel);
/* Inside: waits until all threads of the block are at barrier `site`. */
void colo_emulate_barrier(int64_t site);
/* Inside: the value that thread (lane ^ offset) of the warp brings. */
uint64_t colo_emulate_shuffle(uint64_t value, int32_t offset);
/* Inside, `ldmatrix` x4: lanes 8 i to 8 i + 7 bring the addresses of matrix i's
 * rows of eight 16-bit elements; words[i] becomes elements 2 (lane % 4) and the
 * next of its row lane / 4, or of its column with `transposes`. */
void colo_emulate_load_matrices(uint32_t *words, uint64_t row, int64_t site, int32_t transposes);
/* Inside, `mma` m16n8k16 of bf16 or f16: words 0 to 3 are the lane's part of A, 4
 * and 5 of B, 6 to 9 of C, which becomes that of A B + C. GpuMmaTiles.h tells the
 * parts. Sums are of f32, in the order of the terms. */
void colo_emulate_multiply(uint32_t *words, int64_t site, int32_t isBf16);

#ifdef __cplusplus
}
#endif

#endif /* COLO_RUNTIME_EMULATOR_H */
