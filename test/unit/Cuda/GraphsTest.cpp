//===- GraphsTest.cpp - work of streams as graphs ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On the stand-ins of test/double, which refuse by exit code 86 what a capture must
// not hold. Each case has a device of its own.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Graphs.h"
#include "CUDA/NcclComm.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace colo::runtime;
using namespace colo::runtime::cuda;

namespace {

class GraphsTest : public ::testing::Test {
protected:
  GraphsTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    static std::atomic<int> next{1};
    Status status = loadDriver();
    if (status.failed())
      failProcess(status);
    int device = 0;
    Context context = nullptr;
    cuda::check(driver().cuDeviceGet(&device, next++ % 8), "cuDeviceGet");
    cuda::check(driver().cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    cuda::check(driver().cuCtxSetCurrent(context), "cuCtxSetCurrent");
    cuda::check(driver().cuMemAlloc_v2(&memory, 64), "cuMemAlloc");
    cuda::check(driver().cuStreamCreate(&one, kNonBlockingStream), "cuStreamCreate");
    cuda::check(driver().cuStreamCreate(&two, kNonBlockingStream), "cuStreamCreate");
    cuda::check(driver().cuEventCreate(&event, kEventWithoutTime), "cuEventCreate");
    void *locked = nullptr;
    cuda::check(driver().cuMemAllocHost_v2(&locked, 64), "cuMemAllocHost");
    words = static_cast<uint32_t *>(locked);
    std::fill_n(words, 16, 0);
    // Threads of streams read the environment when they start, which cases change.
    for (CudaStream stream : {one, two}) {
      write(stream, 15, 0);
      cuda::check(driver().cuStreamSynchronize(stream), "cuStreamSynchronize");
    }
  }
  ~GraphsTest() override {
    driver().cuMemFreeHost(words);
    driver().cuEventDestroy_v2(event);
    driver().cuStreamDestroy_v2(two);
    driver().cuStreamDestroy_v2(one);
    driver().cuMemFree_v2(memory);
  }
  void write(CudaStream stream, int word, uint32_t value) {
    cuda::check(driver().cuStreamWriteValue32_v2(stream, addressOf(&words[word]), value, 0), "cuStreamWriteValue32");
  }
  void upload(int word) {
    cuda::check(driver().cuMemcpyHtoDAsync_v2(memory, &words[word], 4, one), "cuMemcpyHtoDAsync");
  }
  void fetch(int word) {
    cuda::check(driver().cuMemcpyDtoHAsync_v2(&words[word], memory, 4, one), "cuMemcpyDtoHAsync");
  }
  void clear() { cuda::check(driver().cuMemsetD8Async(memory, 0, 4, one), "cuMemsetD8Async"); }
  void finish() { cuda::check(driver().cuStreamSynchronize(one), "cuStreamSynchronize"); }
  void record(CudaStream stream) { cuda::check(driver().cuEventRecord(event, stream), "cuEventRecord"); }
  void await(CudaStream stream) { cuda::check(driver().cuStreamWaitEvent(stream, event, 0), "cuStreamWaitEvent"); }
  void begin() { cuda::check(driver().cuStreamBeginCapture_v2(one, kThreadLocalCapture), "cuStreamBeginCapture"); }
  void end() {
    Graph graph = nullptr;
    cuda::check(driver().cuStreamEndCapture(one, &graph), "cuStreamEndCapture");
  }

  Address memory = 0;
  CudaStream one = nullptr, two = nullptr;
  CudaEvent event = nullptr;
  uint32_t *words = nullptr;
};

/// While it lives, this call of the driver fails.
struct Failing {
  explicit Failing(const char *call) { setenv("COLO_DOUBLE_FAIL", call, 1); }
  ~Failing() { unsetenv("COLO_DOUBLE_FAIL"); }
};

using Refused = GraphsTest;
const ::testing::ExitedWithCode refused(86), internalError(ExitInternal);

TEST_F(GraphsTest, workIsDoneAtEachLaunchAndNotBefore) {
  Graphs graphs;
  graphs.open({one, two});
  graphs.begin();
  write(two, 0, 7);
  record(two);
  await(one);
  upload(0);
  fetch(1);
  DeviceGraph graph = graphs.end();
  EXPECT_EQ(graph.nodes, 3);
  EXPECT_GT(graph.bytes, 0);
  EXPECT_EQ(words[1], 0u);
  for (int i = 0; i < 3; ++i) {
    words[0] = words[1] = 0;
    graphs.launch(graph.number);
    finish();
    EXPECT_EQ(words[1], 7u);
  }
}

TEST_F(GraphsTest, twoGraphsOfOneRankAlternate) {
  Graphs graphs;
  graphs.open({one, two});
  graphs.begin();
  upload(0);
  DeviceGraph training = graphs.end();
  words[0] = 1;
  graphs.launch(training.number);
  // Captured between launches of the other, as an evaluation is.
  graphs.begin();
  fetch(1);
  record(one);
  await(two);
  write(two, 2, 5);
  DeviceGraph evaluation = graphs.end();
  EXPECT_NE(training.number, evaluation.number);
  EXPECT_EQ(training.nodes, 1);
  EXPECT_EQ(evaluation.nodes, 2);
  graphs.launch(evaluation.number);
  finish();
  EXPECT_EQ(words[1], 1u);
  for (uint32_t step = 2; step < 5; ++step) {
    words[0] = step, words[2] = 0;
    graphs.launch(training.number);
    finish();
    EXPECT_EQ(words[1], step - 1);
    EXPECT_EQ(words[2], 0u);
    words[0] = 99;
    for (int batch = 0; batch < 2; ++batch) {
      graphs.launch(evaluation.number);
      finish();
      EXPECT_EQ(words[1], step);
      EXPECT_EQ(words[2], 5u);
    }
  }
}

TEST_F(GraphsTest, theTrialFindsNothingWrong) {
  Graphs graphs;
  graphs.open({one, two});
  EXPECT_EQ(graphs.tryOut(memory, words), "");
  EXPECT_EQ(words[0], 1u);
}

TEST_F(GraphsTest, theTrialFindsACallThatFailsAndLeavesTheCapture) {
  Graphs graphs;
  graphs.open({one, two});
  {
    Failing failing("cuMemsetD8Async");
    EXPECT_EQ(graphs.tryOut(memory, words).find("cuMemsetD8Async: "), 0u);
  }
  EXPECT_EQ(words[0], 0u);
  write(two, 0, 3);
  cuda::check(driver().cuStreamSynchronize(two), "cuStreamSynchronize");
  EXPECT_EQ(words[0], 3u);
  words[0] = 0;
  EXPECT_EQ(graphs.tryOut(memory, words), "");
}

TEST_F(GraphsTest, aCallThatFailsInACaptureSaysWhatDoesWithout) {
  Graphs graphs;
  graphs.open({one, two});
  graphs.begin();
  EXPECT_EXIT(
      {
        Failing failing("cuMemsetD8Async");
        clear();
      },
      internalError, "cuMemsetD8Async: .*, while the step was captured as a CUDA graph; --graph=off does without");
  clear();
  EXPECT_EQ(graphs.end().nodes, 1);
  EXPECT_STREQ(checkHint(), "");
}

TEST_F(GraphsTest, theTrialFindsThatGraphsAreNotFreed) {
  for (const char *call : {"cuGraphDestroy", "cuGraphExecDestroy"}) {
    Graphs graphs;
    graphs.open({one, two});
    Failing failing(call);
    words[0] = 0;
    EXPECT_EQ(graphs.tryOut(memory, words).find(std::string(call) + ": "), 0u);
  }
}

TEST_F(GraphsTest, aGraphThatIsNotFreedEndsTheProcess) {
  auto capture = [&](Graphs &graphs) {
    graphs.open({one, two});
    graphs.begin();
    write(two, 0, 1);
    graphs.end();
  };
  EXPECT_EXIT(
      {
        Failing failing("cuGraphDestroy");
        Graphs graphs;
        capture(graphs);
      },
      internalError, "cuGraphDestroy: .*while the step was captured as a CUDA graph; --graph=off does without");
  EXPECT_EXIT(
      {
        Failing failing("cuGraphExecDestroy");
        Graphs graphs;
        capture(graphs);
      },
      internalError, "cuGraphExecDestroy: ");
}

TEST_F(Refused, plainOperationsOfACommunicatorOfWhichAGraphIsUnderWay) {
  ASSERT_FALSE(loadNccl().failed());
  EXPECT_STREQ(std::getenv("NCCL_GRAPH_MIXING_SUPPORT"), "0");
  ncclUniqueId id;
  ncclComm_t world = nullptr;
  ASSERT_EQ(ncclProvider()->getUniqueId(&id), ncclSuccess);
  ASSERT_EQ(ncclProvider()->initRank(&world, 1, id, 0, nullptr), ncclSuccess);
  auto sum = [&] {
    auto *place = reinterpret_cast<void *>(memory); // NOLINT(performance-no-int-to-ptr): an address of the device
    EXPECT_EQ(
        ncclProvider()->allReduce(place, place, 4, ncclFloat32, ncclSum, world, reinterpret_cast<cudaStream_t>(one)),
        ncclSuccess);
  };
  sum();
  finish();
  {
    Graphs graphs;
    graphs.open({one});
    graphs.begin();
    sum();
    int64_t number = graphs.end().number;
    cuda::check(driver().cuLaunchHostFunc(one, [](void *) { usleep(300000); }, nullptr), "cuLaunchHostFunc");
    graphs.launch(number);
    EXPECT_EXIT(sum(), refused, "a plain operation of a communicator of which a graph is under way");
    finish();
    sum();
    finish();
  }
  ncclProvider()->destroy(world);
}

TEST_F(GraphsTest, whatTheUserSaysOfMixingGraphsIsKept) {
  EXPECT_EXIT(
      {
        setenv("NCCL_GRAPH_MIXING_SUPPORT", "1", 1);
        (void)loadNccl();
        _exit(std::strcmp(std::getenv("NCCL_GRAPH_MIXING_SUPPORT"), "1"));
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(Refused, anEventThatWasRecordedBeforeTheCapture) {
  record(two);
  begin();
  EXPECT_EXIT(await(one), refused, "in a capture for an event that was not recorded in it");
  end();
}

TEST_F(Refused, anEventOfACaptureOutsideOfIt) {
  begin();
  record(one);
  end();
  EXPECT_EXIT(await(two), refused, "an event that was last recorded in a capture");
}

TEST_F(Refused, aStreamThatIsNotWaitedFor) {
  begin();
  record(one);
  await(two);
  write(two, 0, 1);
  EXPECT_EXIT(end(), refused, "does not wait for all streams that take part");
  record(two);
  await(one);
  end();
}

TEST_F(Refused, aStreamThatTakesNoPart) {
  begin();
  EXPECT_EXIT(write(two, 0, 1), refused, "on a stream that does not take part in the capture");
  end();
}

TEST_F(Refused, waitsCopiesAndAllocationsOfTheHost) {
  begin();
  Address more = 0;
  EXPECT_EXIT(driver().cuStreamSynchronize(one), refused, "cuStreamSynchronize while a stream is captured");
  EXPECT_EXIT(driver().cuCtxSynchronize(), refused, "cuCtxSynchronize while a stream is captured");
  EXPECT_EXIT(driver().cuMemcpyHtoD_v2(memory, words, 4), refused, "cuMemcpyHtoD while a stream is captured");
  EXPECT_EXIT(driver().cuMemAlloc_v2(&more, 4), refused, "cuMemAlloc while a stream is captured");
  EXPECT_EXIT(driver().cuLaunchHostFunc(one, nullptr, nullptr), refused, "cuLaunchHostFunc while a stream is captured");
  end();
}

} // namespace
