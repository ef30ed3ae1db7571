//===- NcclDoubleTest.cpp - the stand-in for NCCL over processes -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What tests of ranks on GPUs rest on (test/double), through the provider that
// executables have: four ranks, two threads in each of two processes. Buffers are
// longer than what lies between ranks at once.
//
//===----------------------------------------------------------------------===//

#include "CUDA/NcclComm.h"

#include "CUDA/Driver.h"

#include <functional>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace colo::runtime;
using namespace colo::runtime::cuda;

namespace {

constexpr int kRanks = 4;
constexpr size_t kCount = 30011; ///< for each rank

/// Element `i` of what `rank` gives. Sums of these depend on the order of the ranks.
float given(int rank, size_t i) { return static_cast<float>(rank + 1) * 0.1F + static_cast<float>(i % 1009) * 0.3F; }

float sumOf(size_t i) {
  float sum = given(0, i);
  for (int rank = 1; rank < kRanks; ++rank)
    sum += given(rank, i);
  return sum;
}

/// A rank with memory for kCount elements of each rank, sent from and received to.
class OneRank {
public:
  OneRank(ncclUniqueId id, int rank) : rank(rank) {
    Context context = nullptr;
    cuda::check(driver().cuDevicePrimaryCtxRetain(&context, rank), "cuDevicePrimaryCtxRetain");
    cuda::check(driver().cuCtxSetCurrent(context), "cuCtxSetCurrent");
    for (Address *memory : {&source, &target})
      cuda::check(driver().cuMemAlloc_v2(memory, bytes), "cuMemAlloc");
    cuda::check(driver().cuStreamCreate(&stream, kNonBlockingStream), "cuStreamCreate");
    require(nccl.initRank(&world, kRanks, id, rank, nullptr));
  }
  ~OneRank() {
    nccl.destroy(world);
    driver().cuStreamDestroy_v2(stream);
    for (Address memory : {source, target})
      driver().cuMemFree_v2(memory);
  }
  OneRank(const OneRank &) = delete;

  /// Runs an operation on given elements, and compares the first `count` of the target.
  void expect(const char *name, const std::function<ncclResult_t(const char *, char *)> &call, size_t count,
              const std::function<float(size_t)> &expected) {
    std::vector<float> host(kRanks * kCount);
    for (size_t i = 0; i < host.size(); ++i)
      host[i] = given(rank, i);
    for (Address memory : {source, target})
      cuda::check(driver().cuMemcpyHtoD_v2(memory, host.data(), bytes), "cuMemcpyHtoD");
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses of the device
    require(call(reinterpret_cast<char *>(source), reinterpret_cast<char *>(target)));
    cuda::check(driver().cuStreamSynchronize(stream), "cuStreamSynchronize");
    cuda::check(driver().cuMemcpyDtoH_v2(host.data(), target, bytes), "cuMemcpyDtoH");
    for (size_t i = 0; i < count; ++i)
      if (host[i] != expected(i)) {
        fprintf(stderr, "%s: rank %d has %g at %zu, not %g\n", name, rank, host[i], i, expected(i));
        _exit(1);
      }
  }
  void runAll();

private:
  void collectives();
  void transfers();
  void splits();
  void require(ncclResult_t result) const {
    if (result == ncclSuccess)
      return;
    fprintf(stderr, "rank %d: %s\n", rank, nccl.lastError(world));
    _exit(1);
  }

  static constexpr size_t bytes = kRanks * kCount * sizeof(float);
  const CommProvider &nccl = *ncclProvider();
  const int rank;
  Address source = 0, target = 0;
  CudaStream stream = nullptr;
  ncclComm_t world = nullptr;
};

} // namespace

void OneRank::collectives() {
  size_t all = kRanks * kCount;
  expect(
      "all_reduce in place",
      [&](const char *, char *to) { return nccl.allReduce(to, to, all, ncclFloat32, ncclSum, world, stream); }, all,
      sumOf);
  expect(
      "reduce_scatter",
      [&](const char *from, char *to) {
        return nccl.reduceScatter(from, to, kCount, ncclFloat32, ncclSum, world, stream);
      },
      kCount, [&](size_t i) { return sumOf(rank * kCount + i); });
  expect(
      "all_gather",
      [&](const char *from, char *to) { return nccl.allGather(from, to, kCount, ncclFloat32, world, stream); }, all,
      [](size_t i) { return given(static_cast<int>(i / kCount), i % kCount); });
  expect(
      "broadcast",
      [&](const char *from, char *to) { return nccl.broadcast(from, to, all, ncclFloat32, 2, world, stream); }, all,
      [](size_t i) { return given(2, i); });
  expect(
      "reduce",
      [&](const char *from, char *to) { return nccl.reduce(from, to, all, ncclFloat32, ncclSum, 1, world, stream); },
      all, [&](size_t i) { return rank == 1 ? sumOf(i) : given(rank, i); });
}

void OneRank::transfers() {
  expect(
      "all_to_all",
      [&](const char *from, char *to) { return nccl.allToAll(from, to, kCount, ncclFloat32, world, stream); },
      kRanks * kCount, [&](size_t i) { return given(static_cast<int>(i / kCount), rank * kCount + i % kCount); });
  // Two each way: they come in the order of their sends.
  int next = (rank + 1) % kRanks, before = (rank + kRanks - 1) % kRanks;
  expect(
      "send and receive",
      [&](const char *from, char *to) {
        require(nccl.groupStart());
        for (size_t part : {1, 0})
          require(nccl.send(from + part * kCount * sizeof(float), kCount, ncclFloat32, next, world, stream));
        for (size_t part : {0, 1})
          require(nccl.recv(to + part * kCount * sizeof(float), kCount, ncclFloat32, before, world, stream));
        return nccl.groupEnd();
      },
      2 * kCount, [&](size_t i) { return given(before, (i + kCount) % (2 * kCount)); });
}

/// Ranks 0 to 2, in the opposite order; nobody else.
void OneRank::splits() {
  ncclComm_t child = nullptr;
  require(nccl.split(world, rank == 3 ? NCCL_SPLIT_NOCOLOR : 7, -rank, &child, nullptr));
  int ranks = 0, own = -1;
  if (child) {
    require(nccl.count(child, &ranks));
    require(nccl.userRank(child, &own));
  }
  if (rank == 3 && !child)
    return;
  if (ranks != 3 || own != 2 - rank) {
    fprintf(stderr, "rank %d is %d of %d in the child\n", rank, own, ranks);
    _exit(1);
  }
  expect(
      "broadcast in the child",
      [&](const char *from, char *to) { return nccl.broadcast(from, to, kCount, ncclFloat32, 0, child, stream); },
      kCount, [](size_t i) { return given(2, i); });
  nccl.destroy(child);
}

void OneRank::runAll() {
  collectives();
  transfers();
  splits();
}

TEST(NcclDouble, ranksAreThreadsOfSeveralProcesses) {
  ASSERT_FALSE(loadDriver().failed());
  ASSERT_FALSE(loadNccl().failed());
  ncclUniqueId id;
  ASSERT_EQ(ncclProvider()->getUniqueId(&id), ncclSuccess);
  auto runTwo = [&](int first) {
    alarm(60); // a rank that is missing is waited for without end
    auto run = [&](int rank) { OneRank(id, rank).runAll(); };
    std::thread other(run, first + 1);
    run(first);
    other.join();
    alarm(0);
  };
  pid_t child = fork();
  if (child == 0) {
    runTwo(2);
    _exit(0);
  }
  runTwo(0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}
