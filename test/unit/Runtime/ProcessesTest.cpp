//===- ProcessesTest.cpp - the conformance suite over processes --------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Starts this binary as several processes, under mpirun and by itself: first with
// the provider's conformance tests, then as a training run, which must give the
// bits of the threads provider. MPI is skipped without mpirun or the plug-in.
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "Rank.h"
#include "Ranks.h"
#include "RegressionProgram.h"
#include "Sockets/SocketsComm.h"
#include "colo/Runtime/CommPlugin.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace colo::runtime::testing {

static int number(const char *variable) {
  const char *text = std::getenv(variable);
  return text ? std::atoi(text) : 0;
}

static Status openUnderTest(int &rank, int &ranks, const CommProvider *&provider) {
  if (const char *file = std::getenv("COLO_TEST_MEETING")) {
    rank = number("RANK");
    ranks = number("WORLD_SIZE");
    RendezvousPoint place;
    place.file = file;
    return openSockets(place, {rank, ranks, "test", /*seconds=*/60}, provider);
  }
  rank = number("OMPI_COMM_WORLD_RANK");
  ranks = number("OMPI_COMM_WORLD_SIZE");
  return number("COLO_TEST_UNDER_MPI") ? loadCommPlugin("colo_comm_mpi", rank, ranks, provider) : Status::ok();
}

const CommProvider *processProviderUnderTest(int &rank, int &ranks) {
  static int ownRank = 0, allRanks = 0;
  static const CommProvider *provider = [] {
    const CommProvider *opened = nullptr;
    if (Status status = openUnderTest(ownRank, allRanks, opened); status.failed())
      failProcess(status);
    return opened;
  }();
  rank = ownRank;
  ranks = allRanks;
  return provider;
}

} // namespace colo::runtime::testing

namespace {

const std::vector<std::string> trainingFlags = {"--data=synthetic:50,ignore=0.3", "--steps=6", "--quiet",
                                                "--check-replicas"};

RegressionShape trainingShape() {
  RegressionShape shape;
  shape.tensor = 2;
  return shape;
}

int runTraining(const std::string &model, const std::string &comm) {
  RegressionProgram program(trainingShape());
  std::vector<std::string> flags = trainingFlags;
  flags.insert(flags.end(), {"--export=" + model, comm});
  return program.run(flags);
}

constexpr const char *conformance =
    "CollectivesOf*:Comm.average*:Comm.aNan*:Comm.sums*:Comm.send*:Comm.aRankMaySend*:Comm.split*:Comm.worker*";

/// This binary, as one of the processes.
std::string self(const std::string &filter) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  path[length > 0 ? length : 0] = '\0';
  return std::string(path) + " --gtest_also_run_disabled_tests --gtest_filter='" + filter + "' >/dev/null </dev/null";
}

int exitCode(const std::string &command) {
  int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/// The exit code of this binary with a filter on `ranks` processes, or -1 where
/// MPI is missing.
int underMpi(int ranks, const std::string &filter, const std::string &environment) {
  if (std::getenv("COLO_TEST_UNDER_MPI") || exitCode("mpirun --version >/dev/null 2>&1 </dev/null") != 0)
    return -1;
  // OpenMPI frees not all that it has allocated; with sanitizers that would count as this binary's failure.
  return exitCode("env " + environment + " LSAN_OPTIONS=detect_leaks=0" +
                  " OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" +
                  " OMPI_MCA_rmaps_base_oversubscribe=1 timeout 120 mpirun -n " + std::to_string(ranks) + " " +
                  self(filter));
}

/// The same without MPI: 0 if all processes are content.
int overSockets(int ranks, const std::string &filter, const std::string &environment) {
  std::string command = "pids=; rc=0; ";
  for (int rank = 0; rank < ranks; ++rank)
    command += "env " + environment + " RANK=" + std::to_string(rank) + " WORLD_SIZE=" + std::to_string(ranks) +
               " timeout 120 " + self(filter) + " & pids=\"$pids $!\"; ";
  return exitCode(command + "for pid in $pids; do wait $pid || rc=$?; done; exit $rc");
}

bool pluginIsThere() { return access(COLO_TEST_PLUGIN, R_OK) == 0; }

TEST(Mpi, conformsAsThreadsDo) {
  if (!pluginIsThere())
    GTEST_SKIP() << "no MPI plug-in";
  for (int ranks : {2, 3}) {
    int code = underMpi(ranks, conformance, "COLO_TEST_UNDER_MPI=1");
    if (code < 0)
      GTEST_SKIP() << "no mpirun";
    EXPECT_EQ(code, 0) << ranks << " ranks";
  }
}

/// Which is the fault of what is around the run, not of the runtime.
TEST(Mpi, aRankThatDoesNotComeIsAnErrorOfTheEnvironment) {
  if (!pluginIsThere())
    GTEST_SKIP() << "no MPI plug-in";
  int code = underMpi(2, "Mpi.DISABLED_waitsForTheOther", "COLO_TEST_UNDER_MPI=1");
  if (code < 0)
    GTEST_SKIP() << "no mpirun";
  EXPECT_EQ(code, ExitUsage);
}

/// One process of the run above.
TEST(Mpi, DISABLED_waitsForTheOther) {
  int rank = 0, ranks = 0;
  const CommProvider *provider = processProviderUnderTest(rank, ranks);
  ncclComm_t world = nullptr;
  ASSERT_EQ(provider->initRank(&world, ranks, {}, rank, nullptr), ncclSuccess);
  if (rank == 1)
    pause(); // until mpirun ends it
  setCommTimeout(0.5);
  int32_t one = 1;
  Status status = commStatus(*provider, provider->allReduce(&one, &one, 1, ncclInt32, ncclSum, world, nullptr));
  if (status.message.rfind("rank 0 of 2 waited 0.5 s in all_reduce", 0) == 0)
    failProcess(status);
  FAIL() << status.message;
}

TEST(Mpi, trainsToTheBitsOfThreads) {
  if (!pluginIsThere())
    GTEST_SKIP() << "no MPI plug-in";
  Folder folder;
  ASSERT_EQ(runTraining(folder / "threads", "--ranks=4"), 0);
  int code = underMpi(4, "Mpi.DISABLED_process", "COLO_TEST_MODEL=" + (folder / "mpi"));
  if (code < 0)
    GTEST_SKIP() << "no mpirun";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(folder.read("threads"), folder.read("mpi"));
}

/// One process of the run above.
TEST(Mpi, DISABLED_process) { EXPECT_EQ(runTraining(std::getenv("COLO_TEST_MODEL"), "--comm=mpi"), 0); }

TEST(Sockets, conformAsThreadsDo) {
  Folder folder;
  for (int ranks : {2, 3, 8})
    EXPECT_EQ(overSockets(ranks, conformance, "COLO_TEST_MEETING=" + (folder / "meeting")), 0) << ranks << " ranks";
}

TEST(Sockets, trainToTheBitsOfThreads) {
  Folder folder;
  ASSERT_EQ(runTraining(folder / "threads", "--ranks=4"), 0);
  std::string environment =
      "COLO_TEST_MODEL=" + (folder / "sockets") + " COLO_TEST_PLACE=file://" + (folder / "meeting");
  EXPECT_EQ(overSockets(4, "Sockets.DISABLED_process", environment), 0);
  EXPECT_EQ(folder.read("threads"), folder.read("sockets"));
}

/// One process of the run above.
TEST(Sockets, DISABLED_process) {
  std::string place = std::getenv("COLO_TEST_PLACE");
  EXPECT_EQ(runTraining(std::getenv("COLO_TEST_MODEL"), "--rendezvous=" + place), 0);
}

} // namespace
