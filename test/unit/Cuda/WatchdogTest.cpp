//===- WatchdogTest.cpp - operations that do not end -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ranks here write the words that streams write. Ranks with different boards are on
// different hosts.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Watchdog.h"

#include <array>
#include <csignal>
#include <future>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace colo::runtime::cuda;

namespace {

const ColoComm kComms[] = {{"tp", {}, 0, 0, 0}, {"pp", {}, 0, 3, 0}};
const ColoSite kSites[] = {{"all_reduce", "m.colo:1:2", "forward", 0, 0, 1},
                           {"receive", "m.colo:3:4", "forward", 1, 0, 1}};
enum { kWorld, kTensor, kPipeline };
enum { kAllReduce, kReceive };

ColoProgram makeProgram() {
  ColoProgram program{};
  program.commCount = 2;
  program.comms = kComms;
  program.siteCount = 2;
  program.sites = kSites;
  return program;
}

/// A rank of one communicator over all ranks for each of the program's, in which the last stage comes first; its first
/// fault.
struct TestRank {
  TestRank(const std::string &board, int rank, int ranks, double seconds) {
    Watchdog::Setup setup;
    setup.program = &program;
    setup.rank = rank;
    setup.ranks = ranks;
    setup.seconds = seconds;
    setup.board = board;
    setup.split = [](int64_t comm, int64_t rank) {
      return colo::runtime::SplitKey{0, static_cast<int>(comm + 1 == kPipeline ? -rank : rank)};
    };
    setup.words = words.data();
    setup.asyncError = [this](ncclComm_t) { return std::string(error.load()); };
    setup.fail = [this](const std::string &message) { fault.set_value(message); };
    watchdog = std::make_unique<Watchdog>(std::move(setup));
    for (int comm = kWorld; comm <= kPipeline; ++comm) {
      watchdog->finishOnHost(watchdog->addCommunicator(), watchdog->call(comm, -1));
      watchdog->setHandle(comm, reinterpret_cast<ncclComm_t>(this));
    }
  }
  /// The stream comes to an operation.
  uint32_t start(int comm, int site, int peer = -1) {
    uint32_t number = watchdog->call(comm, site, peer);
    watchdog->startOnHost(comm, number);
    return number;
  }
  std::string message() {
    std::future<std::string> future = fault.get_future();
    return future.wait_for(std::chrono::seconds(20)) == std::future_status::ready ? future.get() : "nothing";
  }

  ColoProgram program = makeProgram();
  std::array<uint32_t, 6> words{};
  std::atomic<const char *> error{""};
  std::promise<std::string> fault;
  std::unique_ptr<Watchdog> watchdog;
};

std::string boardName(const char *host = "") { return "/colo-test-" + std::to_string(getpid()) + host; }

/// Ranks, in their order, learn where the others are.
void connect(const std::vector<TestRank *> &ranks) {
  std::vector<SocketAddress> addresses;
  for (TestRank *rank : ranks)
    addresses.push_back(rank->watchdog->openSocket());
  for (TestRank *rank : ranks)
    rank->watchdog->connect(/*token=*/99, addresses);
}

TEST(Watchdog, namesTheRankThatHasNotCalled) {
  TestRank one(boardName(), 0, 2, 0.5), two(boardName(), 1, 2, 60);
  one.watchdog->met();
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(),
            "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 1, which has not called it; "
            "it last called making NCCL's communicator over tp");
}

TEST(Watchdog, namesTheRankWhoseStreamHasNotCome) {
  TestRank one(boardName(), 0, 2, 0.5), two(boardName(), 1, 2, 60);
  two.watchdog->call(kTensor, kAllReduce);
  std::this_thread::sleep_for(std::chrono::milliseconds(200)); // two's thread has looked
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(),
            "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 1, whose GPU has not come there");
}

TEST(Watchdog, followsRanksThatWaitForOthers) {
  TestRank one(boardName(), 0, 3, 0.7), two(boardName(), 1, 3, 60), three(boardName(), 2, 3, 60);
  two.start(kPipeline, kReceive, 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.start(kPipeline, kReceive, 1);
  EXPECT_EQ(one.message(), "rank 0 waited 0.7 s in receive at m.colo:3:4 over pp for rank 1, which waits in receive at "
                           "m.colo:3:4 over pp for rank 2, which has not called it; it last called making NCCL's "
                           "communicator over pp");
}

/// Both ranks have done a step that their streams repeat with the numbers that they wrote when it was captured.
TEST(Watchdog, namesOperationsOfAGraph) {
  TestRank one(boardName(), 0, 2, 0.5), two(boardName(), 1, 2, 60);
  Watchdog::Calls calls;
  for (TestRank *rank : {&one, &two}) {
    calls.clear();
    rank->watchdog->beginCapture(calls);
    EXPECT_EQ(rank->watchdog->call(kTensor, kAllReduce), 1u);
    EXPECT_EQ(rank->watchdog->call(kPipeline, kReceive, 1), 1u);
    EXPECT_EQ(rank->watchdog->call(kTensor, kAllReduce), 2u);
    rank->watchdog->endCapture();
  }
  auto repeat = [&](TestRank &rank, uint32_t started, uint32_t finished) {
    rank.watchdog->replay(calls);
    rank.watchdog->startOnHost(kTensor, started);
    rank.watchdog->finishOnHost(kTensor, finished);
    rank.watchdog->startOnHost(kPipeline, started > 0);
    rank.watchdog->finishOnHost(kPipeline, started > 0);
  };
  repeat(one, 2, 2);
  repeat(two, 2, 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  repeat(one, 2, 1);
  EXPECT_EQ(one.message(),
            "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 1, which has not called it; "
            "it last called all_reduce at m.colo:1:2 over tp");
}

TEST(Watchdog, namesTheRankWhoseGraphHasNotComeThere) {
  TestRank one(boardName(), 0, 2, 0.5), two(boardName(), 1, 2, 60);
  Watchdog::Calls calls;
  one.watchdog->beginCapture(calls);
  one.watchdog->call(kTensor, kAllReduce);
  one.watchdog->endCapture();
  two.watchdog->replay(calls);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.watchdog->replay(calls);
  one.watchdog->startOnHost(kTensor, 1);
  EXPECT_EQ(one.message(),
            "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 1, whose GPU has not come there");
}

TEST(Watchdog, whatEndsIsNoFault) {
  TestRank one(boardName(), 0, 2, 1), two(boardName(), 1, 2, 1);
  for (int i = 0; i < 6; ++i) {
    uint32_t number = one.start(kTensor, kAllReduce);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    one.watchdog->finishOnHost(kTensor, number);
  }
  EXPECT_EQ(one.fault.get_future().wait_for(std::chrono::milliseconds(500)), std::future_status::timeout);
}

TEST(Watchdog, reportsWhatNcclFinds) {
  TestRank one(boardName(), 0, 2, 60), two(boardName(), 1, 2, 60);
  two.start(kTensor, kAllReduce);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.error = "broken";
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(),
            "rank 0 waited in all_reduce at m.colo:1:2 over tp, which all its ranks have come to: broken");
}

/// At once, not after the time that an operation may take.
TEST(Watchdog, noticesAProcessThatHasGone) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  std::string board = boardName();
  pid_t other = fork();
  if (other == 0) {
    TestRank two(board, 1, 2, 60);
    char byte = 0;
    if (write(ready[1], &byte, 1) == 1)
      pause();
    _exit(1);
  }
  char byte;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  TestRank one(board, 0, 2, 60);
  one.watchdog->met();
  one.start(kTensor, kAllReduce);
  kill(other, SIGKILL);
  EXPECT_EQ(one.message(), "rank 0 waited in all_reduce at m.colo:1:2 over tp, and the process of rank 1 has gone");
  waitpid(other, nullptr, 0);
}

TEST(Watchdog, knowsWhetherAllRanksAreOnItsHost) {
  TestRank one(boardName(), 0, 2, 60);
  EXPECT_FALSE(one.watchdog->allAreHere());
  TestRank elsewhere(boardName("-b"), 1, 2, 60);
  EXPECT_FALSE(one.watchdog->allAreHere());
  TestRank two(boardName(), 1, 2, 60);
  EXPECT_TRUE(one.watchdog->allAreHere());
}

TEST(Watchdog, namesTheRankOfAnotherHostThatHasNotCalled) {
  TestRank one(boardName(), 0, 3, 0.5), two(boardName("-b"), 1, 3, 60), three(boardName("-b"), 2, 3, 60);
  connect({&one, &two, &three});
  for (TestRank *rank : {&one, &two, &three})
    rank->watchdog->finishOnHost(kTensor, rank->start(kTensor, kAllReduce));
  three.start(kTensor, kAllReduce);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(), "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 1, which has not called "
                           "it; it last called all_reduce at m.colo:1:2 over tp");
}

TEST(Watchdog, saysThatRanksOfOtherHostsHaveCome) {
  TestRank one(boardName(), 0, 2, 0.5), two(boardName("-b"), 1, 2, 60);
  connect({&one, &two});
  two.start(kTensor, kAllReduce);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(), "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp, which all its ranks have come to");
}

/// Each rank is on a host of its own, and the peers of transfers are known by their places.
TEST(Watchdog, followsRanksOfOtherHosts) {
  TestRank one(boardName(), 0, 3, 0.7), two(boardName("-b"), 1, 3, 60), three(boardName("-c"), 2, 3, 60);
  connect({&one, &two, &three});
  two.start(kPipeline, kReceive, two.watchdog->worldRank(kPipeline, 0));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  one.start(kPipeline, kReceive, one.watchdog->worldRank(kPipeline, 1));
  EXPECT_EQ(one.message(), "rank 0 waited 0.7 s in receive at m.colo:3:4 over pp for rank 1, which waits in receive at "
                           "m.colo:3:4 over pp for rank 2, which has not called it; it last called making NCCL's "
                           "communicator over pp");
}

/// Both wait, and each answers while it asks.
TEST(Watchdog, hostsThatFindTheSameAnswerEachOther) {
  TestRank one(boardName(), 0, 3, 0.6), two(boardName("-b"), 1, 3, 0.6), three(boardName("-c"), 2, 3, 60);
  connect({&one, &two, &three});
  one.start(kTensor, kAllReduce);
  two.start(kTensor, kAllReduce);
  const char *missing =
      " waited 0.6 s in all_reduce at m.colo:1:2 over tp for rank 2, which has not called it; it last "
      "called making NCCL's communicator over tp";
  EXPECT_EQ(one.message(), std::string("rank 0") + missing);
  EXPECT_EQ(two.message(), std::string("rank 1") + missing);
}

TEST(Watchdog, saysWhoOnOtherHostsDoesNotAnswer) {
  TestRank one(boardName(), 0, 4, 0.5), two(boardName("-b"), 1, 4, 60), three(boardName("-c"), 2, 4, 60),
      four(boardName("-b"), 3, 4, 60);
  connect({&one, &two, &three, &four});
  two.watchdog.reset();
  three.watchdog.reset();
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(), "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 3, which has not called "
                           "it; it last called making NCCL's communicator over tp; ranks 1-2 on other hosts, whose "
                           "processes do not answer");
  TestRank five(boardName("-d"), 0, 2, 0.5), six(boardName("-e"), 1, 2, 60);
  connect({&five, &six});
  six.watchdog.reset();
  five.start(kPipeline, kReceive, five.watchdog->worldRank(kPipeline, 0));
  EXPECT_EQ(five.message(), "rank 0 waited 0.5 s in receive at m.colo:3:4 over pp for rank 1 on another host, whose "
                            "process does not answer");
}

TEST(Watchdog, withoutSocketsNamesTheRanksOfOtherHosts) {
  TestRank one(boardName(), 0, 5, 0.5), two(boardName(), 2, 5, 60);
  one.start(kTensor, kAllReduce);
  EXPECT_EQ(one.message(), "rank 0 waited 0.5 s in all_reduce at m.colo:1:2 over tp for rank 2, which has not called "
                           "it; it last called making NCCL's communicator over tp, or one of ranks 1, 3-4, of which "
                           "this host knows nothing");
}

} // namespace
