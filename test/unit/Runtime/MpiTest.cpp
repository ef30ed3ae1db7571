//===- MpiTest.cpp - the conformance suite over processes --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Starts this binary under mpirun: first with the provider's conformance tests,
// then as a training run, which must give the bits and counts of the threads
// provider. Skipped without mpirun or the plug-in.
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "Ranks.h"
#include "RegressionProgram.h"
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

const CommProvider *mpiProviderUnderTest(int &rank, int &ranks) {
  static const CommProvider *provider = [] {
    const CommProvider *opened = nullptr;
    if (!number("COLO_TEST_UNDER_MPI"))
      return opened;
    Status status =
        loadCommPlugin("colo_comm_mpi", number("OMPI_COMM_WORLD_RANK"), number("OMPI_COMM_WORLD_SIZE"), opened);
    if (status.failed())
      failProcess(status);
    return opened;
  }();
  rank = number("OMPI_COMM_WORLD_RANK");
  ranks = number("OMPI_COMM_WORLD_SIZE");
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

/// The exit code of this binary with a filter on `ranks` processes, or -1 where
/// MPI is missing.
int underMpi(int ranks, const std::string &filter, const std::string &environment) {
  if (std::getenv("COLO_TEST_UNDER_MPI") || std::system("mpirun --version >/dev/null 2>&1 </dev/null") != 0)
    return -1;
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  // OpenMPI frees not all that it has allocated; with sanitizers that would count as this binary's failure.
  std::string command = "env " + environment + " LSAN_OPTIONS=detect_leaks=0" +
                        " OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" +
                        " OMPI_MCA_rmaps_base_oversubscribe=1 timeout 120 mpirun -n " + std::to_string(ranks) + " " +
                        self + " --gtest_also_run_disabled_tests --gtest_filter='" + filter + "' >/dev/null </dev/null";
  int status = std::system(command.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

bool pluginIsThere() { return access(COLO_TEST_PLUGIN, R_OK) == 0; }

TEST(Mpi, conformsAsThreadsDo) {
  if (!pluginIsThere())
    GTEST_SKIP() << "no MPI plug-in";
  for (int ranks : {2, 3}) {
    int code = underMpi(ranks, "CollectivesOf*:Comm.average*:Comm.aNan*:Comm.send*:Comm.split*:Comm.worker*",
                        "COLO_TEST_UNDER_MPI=1");
    if (code < 0)
      GTEST_SKIP() << "no mpirun";
    EXPECT_EQ(code, 0) << ranks << " ranks";
  }
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

} // namespace
