//===- Threads.cpp - threads inside a rank -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Threads.h.
//
//===----------------------------------------------------------------------===//

#include "Threads.h"
#include "colo/Runtime/Program.h"

// libgomp's interface: stable since GCC 4.9 and what -fopenmp calls.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {
void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_thread_num(void);
int omp_get_num_threads(void);
void omp_set_num_threads(int threads);
void omp_set_dynamic(int dynamic);
}
// NOLINTEND(readability-identifier-naming)

namespace colo::runtime {

static thread_local int64_t threadsOfRank = 1;

void setRankThreads(int64_t threads) {
  threadsOfRank = threads;
  omp_set_dynamic(0);
  omp_set_num_threads(static_cast<int>(threads));
}

int64_t rankThreads() { return threadsOfRank; }

namespace {
struct Launch {
  ColoKernel kernel;
  void **arguments;
  int64_t extent;
};
} // namespace

static void runPart(void *data) {
  auto *launch = static_cast<Launch *>(data);
  int64_t parts = omp_get_num_threads(), part = omp_get_thread_num();
  int64_t begin = launch->extent * part / parts, end = launch->extent * (part + 1) / parts;
  if (begin < end)
    launch->kernel(launch->arguments, begin, end);
}

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" void colo_launch(ColoFrame *, ColoKernel kernel, void **arguments, int64_t extent, int64_t grain) {
  if (extent <= 0)
    return;
  // All threads or one: libgomp ends the threads that a smaller team leaves out
  // and starts them again for the next.
  if (rankThreads() <= 1 || extent < 2 || extent / 2 < grain)
    return kernel(arguments, 0, extent);
  Launch launch{kernel, arguments, extent};
  GOMP_parallel(runPart, &launch, static_cast<unsigned>(rankThreads()), 0);
}
