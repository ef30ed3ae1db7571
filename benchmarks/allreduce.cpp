//===- allreduce.cpp - all-reduce between threads and by MPI -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// allreduce threads RANKS BYTES…: the threads provider of the runtime.
// mpirun -n RANKS allreduce mpi BYTES…: MPI_Allreduce of the same buffers.
//
// In place, f32 sums. One line a size: bytes, microseconds of one call: the
// least over repetitions of the time of the slowest rank. benchmarks/cpu.py
// compiles and runs it.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Comm.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mpi.h>
#include <thread>
#include <vector>

using namespace colo::runtime;

namespace {

/// One rank's all-reduce of `count` floats in place, of either kind.
struct Reducer {
  ncclComm_t comm = nullptr; ///< null: MPI
  void sum(float *data, size_t count) const {
    if (comm)
      commProvider().allReduce(data, data, count, ncclFloat32, ncclSum, comm, nullptr);
    else
      MPI_Allreduce(MPI_IN_PLACE, data, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  }
  double largest(double value) const {
    if (comm)
      commProvider().allReduce(&value, &value, 1, ncclFloat64, ncclMax, comm, nullptr);
    else
      MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return value;
  }
};

double secondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void measure(const Reducer &reducer, int ranks, int rank, const std::vector<size_t> &sizes) {
  for (size_t bytes : sizes) {
    size_t count = bytes / sizeof(float);
    std::vector<float> data(count, 1.0f);
    reducer.sum(data.data(), count);
    if (std::any_of(data.begin(), data.end(), [&](float value) { return value != static_cast<float>(ranks); })) {
      std::fprintf(stderr, "a sum of %zu bytes is wrong\n", bytes);
      std::exit(1);
    }
    std::fill(data.begin(), data.end(), 0.0f);
    int64_t calls = std::clamp<int64_t>(static_cast<int64_t>((16u << 20) / bytes), 2, 200);
    double least = 0;
    for (int repetition = 0; repetition < 7; ++repetition) {
      reducer.largest(0);
      auto begin = std::chrono::steady_clock::now();
      for (int64_t i = 0; i < calls; ++i)
        reducer.sum(data.data(), count);
      double slowest = reducer.largest(secondsSince(begin)) / static_cast<double>(calls);
      least = repetition ? std::min(least, slowest) : slowest;
    }
    if (rank == 0)
      std::printf("%zu %.2f\n", bytes, 1e6 * least);
  }
}

void runThreads(int ranks, const std::vector<size_t> &sizes) {
  setCommProvider(threadsProvider());
  ncclUniqueId id = {};
  commProvider().getUniqueId(&id);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      Reducer reducer;
      if (commProvider().initRank(&reducer.comm, ranks, id, rank, nullptr) != ncclSuccess)
        std::exit(1);
      measure(reducer, ranks, rank, sizes);
    });
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace

int main(int argc, char **argv) {
  bool threads = argc > 2 && std::strcmp(argv[1], "threads") == 0;
  std::vector<size_t> sizes;
  for (int i = threads ? 3 : 2; i < argc; ++i)
    sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  if (threads) {
    runThreads(std::atoi(argv[2]), sizes);
    return 0;
  }
  MPI_Init(&argc, &argv);
  int ranks = 0, rank = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  measure(Reducer(), ranks, rank, sizes);
  MPI_Finalize();
  return 0;
}
