//===- OptionsTest.cpp - flags, worlds, launchers, learning rates ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the command line and the environment may say.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Options.h"
#include "colo/Runtime/LearningRate.h"
#include "colo/Runtime/World.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <map>

using namespace colo::runtime;

namespace {

Status parse(std::vector<std::string> flags, Options &options) {
  flags.insert(flags.begin(), "EXE");
  std::vector<char *> argv;
  for (std::string &flag : flags)
    argv.push_back(flag.data());
  return parseOptions(static_cast<int>(argv.size()), argv.data(), options);
}

std::string usageError(std::vector<std::string> flags) {
  Options options;
  Status status = parse(std::move(flags), options);
  EXPECT_EQ(status.code, ExitUsage);
  return status.message;
}

TEST(Options, valuesFollowAnEqualsSignOrStandAlone) {
  Options options;
  ASSERT_FALSE(parse({"--data=a=b", "--steps", "7", "--quiet", "--seed=9"}, options).failed());
  EXPECT_EQ(options.data, "a=b");
  EXPECT_EQ(options.steps, 7);
  EXPECT_EQ(options.seed, 9);
  EXPECT_TRUE(options.quiet);
}

TEST(Options, wrongFlagsAreExplained) {
  EXPECT_EQ(usageError({"--step=3"}), "unknown flag --step, did you mean --steps?");
  EXPECT_EQ(usageError({"--evalevery=3"}), "unknown flag --evalevery, did you mean --eval-every?");
  EXPECT_EQ(usageError({"--zzzzzzzzz"}), "unknown flag --zzzzzzzzz; --help lists all");
  EXPECT_EQ(usageError({"file"}), "unexpected argument 'file'; flags are written --name=value");
  EXPECT_EQ(usageError({"--ranks=0"}), "--ranks=0 is not an integer of at least 1");
  EXPECT_EQ(usageError({"--steps=3x"}), "--steps=3x is not an integer of at least 0");
  EXPECT_EQ(usageError({"--steps"}), "--steps= is not an integer of at least 0");
  for (const char *value : {"+5", " 5", "5 ", "-", "0x5"})
    EXPECT_EQ(usageError({"--steps", value}), std::string("--steps=") + value + " is not an integer of at least 0");
  EXPECT_EQ(usageError({"--seed=18446744073709551615"}),
            "--seed=18446744073709551615 is more than 9223372036854775807");
  EXPECT_EQ(usageError({"--steps=-99999999999999999999"}),
            "--steps=-99999999999999999999 is not an integer of at least 0");
  EXPECT_EQ(usageError({"--data="}), "--data needs a value: --data=SPEC");
  EXPECT_EQ(usageError({"--info=1"}), "--info takes no value");
  EXPECT_EQ(usageError({"--comm-timeout=-1"}),
            "--comm-timeout=-1 is not a number greater than 0 and at most 1000000000");
  EXPECT_EQ(usageError({"--comm-timeout=1e10"}),
            "--comm-timeout=1e10 is not a number greater than 0 and at most 1000000000");
}

TEST(Options, aFlagIsGivenOnce) {
  EXPECT_EQ(usageError({"--steps=3", "--quiet", "--steps", "5"}), "--steps is given twice");
  EXPECT_EQ(usageError({"--quiet", "--quiet"}), "--quiet is given twice");
}

TEST(Options, helpNamesEveryFlag) {
  std::string text = helpText("gpt2", "GPT2");
  for (const char *flag : {"--data=SPEC", "--ranks=N", "--check-replicas", "--export=FILE", "--stats=FILE"})
    EXPECT_NE(text.find(flag), std::string::npos) << flag;
}

TEST(Options, editDistance) {
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("", "abc"), 3u);
}

struct Mesh {
  ColoAxis axes[3] = {{"dep", 2, 0}, {"row", 3, 0}, {"col", 4, 0}};
  ColoProgram program = {};
  Mesh() {
    program.model = "M";
    program.axisCount = 3;
    program.axes = axes;
    program.pipeline = 1;
    program.batchSize = 8;
    program.microBatch = 4;
    program.accumulation = 3;
  }
};

TEST(World, ranksAreReplicaThenStageThenAxesMajorToMinor) {
  Mesh mesh;
  World world;
  ASSERT_FALSE(planWorld(mesh.program, 48, world).failed());
  EXPECT_EQ(world.dp, 2);
  EXPECT_EQ(world.microBatches, 6);
  EXPECT_EQ(world.globalRows, 48);
  Coordinates at = coordinatesOf(mesh.program, world, 24 + 12 + 2 * 4 + 3);
  EXPECT_EQ(at.replica, 1);
  EXPECT_EQ(at.axes, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(describeCoordinates(mesh.program, at), "replica 1, dep 1, row 2, col 3");
}

TEST(World, theDefaultIsOneReplicaOrWhatTheConfigSays) {
  Mesh mesh;
  World world;
  ASSERT_FALSE(planWorld(mesh.program, 0, world).failed());
  EXPECT_EQ(world.ranks, 24);
  mesh.program.data = 3;
  ASSERT_FALSE(planWorld(mesh.program, 0, world).failed());
  EXPECT_EQ(world.ranks, 72);
}

TEST(World, sizesThatDoNotFitSayWhatWould) {
  Mesh mesh;
  World world;
  Status status = planWorld(mesh.program, 25, world);
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message,
            "25 ranks do not fit: M needs a multiple of 24 (tensor 24 x pipeline 1), such as --ranks=48");
  World launched;
  launched.launched = true;
  EXPECT_EQ(planWorld(mesh.program, 25, launched).message,
            "25 ranks do not fit: M needs a multiple of 24 (tensor 24 x pipeline 1), such as 48 processes");
  mesh.program.data = 2;
  EXPECT_EQ(planWorld(mesh.program, 24, world).message,
            "24 ranks make 1 replicas, but the config says data=2, which needs --ranks=48");
  mesh.program.data = 0;
  mesh.program.globalBatchSize = 12;
  EXPECT_EQ(planWorld(mesh.program, 48, world).message,
            "the global batch of 12 rows is not a multiple of 2 replicas x 4 rows");
}

// Row and column groups of a 2 x 3 x 4 mesh, and the data-parallel group.
TEST(World, communicatorsHoldTheRanksThatDifferOnTheirAxesOnly) {
  Mesh mesh;
  World world;
  ASSERT_FALSE(planWorld(mesh.program, 48, world).failed());
  ColoComm comms[3] = {};
  comms[0].axes.count = 2; // over dep (major) and col
  comms[0].axes.axis[0] = 0;
  comms[0].axes.axis[1] = 2;
  comms[1].dataParallel = 1;
  comms[2].dataParallel = 1;
  comms[2].axes.count = 1;
  comms[2].axes.axis[0] = 1;
  const size_t sizes[3] = {8, 2, 6};
  for (int c = 0; c < 3; ++c) {
    std::map<int, std::map<int, Coordinates>> groups;
    for (int64_t rank = 0; rank < 48; ++rank) {
      Coordinates at = coordinatesOf(mesh.program, world, rank);
      SplitKey split = splitKey(mesh.program, comms[c], at, world);
      EXPECT_TRUE(groups[split.color].emplace(split.key, at).second);
    }
    EXPECT_EQ(groups.size(), 48 / sizes[c]);
    for (auto &group : groups) {
      EXPECT_EQ(group.second.size(), sizes[c]);
      EXPECT_EQ(group.second.begin()->first, 0);
      for (auto &member : group.second)
        EXPECT_EQ(member.second.axes[1] == group.second[0].axes[1], c != 2 || member.first % 3 == 0);
    }
  }
}

/// The launchers' variables of one test, and no others.
struct Environment {
  Environment(std::initializer_list<std::pair<const char *, const char *>> values) {
    clear();
    for (auto &value : values)
      setenv(value.first, value.second, 1);
  }
  ~Environment() { clear(); }
  static void clear() {
    for (const char *name :
         {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "OMPI_COMM_WORLD_RANK",
          "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE", "PMI_RANK", "PMI_SIZE",
          "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "PMIX_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS",
          "SLURM_NTASKS_PER_NODE", "SLURM_LOCALID"})
      unsetenv(name);
  }
};

TEST(Launcher, noneIsFoundWithoutItsVariables) {
  Environment environment({});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_FALSE(world.launched);
  EXPECT_EQ(world.incomplete, "");
}

/// What is said of a launcher's rank or size that is set without the other.
std::string incomplete(const char *variable, const char *value) {
  Environment environment({{variable, value}});
  World world;
  EXPECT_FALSE(detectLauncher(world).failed());
  EXPECT_FALSE(world.launched);
  return world.incomplete;
}

TEST(Launcher, halfOfOneNamesWhatIsMissing) {
  for (auto [rank, size] : {std::pair("RANK", "WORLD_SIZE"),
                            {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                            {"PMI_RANK", "PMI_SIZE"},
                            {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}}) {
    EXPECT_EQ(incomplete(rank, "1"), std::string(rank) + "=1 says which rank this is, and " + size +
                                         ", of how many, is not set; set both, or neither to train without other "
                                         "processes");
    EXPECT_EQ(incomplete(size, "2"), std::string(size) + "=2 says how many ranks there are, and " + rank +
                                         ", which of them this is, is not set; set both, or neither to train without "
                                         "other processes");
    EXPECT_EQ(incomplete(size, "1"), "");
  }
  EXPECT_NE(incomplete("RANK", "0"), "");
  EXPECT_NE(incomplete("WORLD_SIZE", "all"), "");
}

TEST(Launcher, halfOfOneBesideAnotherIsNothing) {
  Environment environment({{"WORLD_SIZE", "8"}, {"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "4"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.ranks, 4);
  EXPECT_EQ(world.incomplete, "");
}

TEST(Launcher, theFirstOfTheOrderIsTaken) {
  Environment environment({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.launcher, "Open MPI");
  EXPECT_EQ(world.processRank, 2);
  EXPECT_EQ(world.ranks, 4);
}

TEST(Launcher, saysHowManyRanksAreOnThisHost) {
  Environment environment(
      {{"OMPI_COMM_WORLD_RANK", "9"}, {"OMPI_COMM_WORLD_SIZE", "16"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.ranksOnHost, 4);
}

TEST(Launcher, saysWhichOfTheHostsRanksAProcessIs) {
  // As srun --distribution=cyclic numbers them: on two hosts, every second rank.
  Environment environment(
      {{"SLURM_PROCID", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_NTASKS_PER_NODE", "4"}, {"SLURM_LOCALID", "2"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.rankOnHost, 2);
  unsetenv("SLURM_LOCALID");
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.rankOnHost, 1); // in blocks
}

TEST(Launcher, eachHasItsOwnNamesForThat) {
  struct Names {
    const char *rank, *size, *place, *here;
  };
  for (Names names :
       {Names{"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"},
        {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        {"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
        {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"}}) {
    Environment environment({{names.rank, "5"}, {names.size, "8"}, {names.place, "2"}, {names.here, "4"}});
    World world;
    ASSERT_FALSE(detectLauncher(world).failed());
    EXPECT_EQ(world.processRank, 5);
    EXPECT_EQ(world.ranks, 8);
    EXPECT_EQ(world.rankOnHost, 2) << names.place;
    EXPECT_EQ(world.ranksOnHost, 4) << names.here;
  }
}

TEST(Launcher, mpirunAndPmixSpeakMpiAndOthersDoNot) {
  auto speaksMpi = [](std::initializer_list<std::pair<const char *, const char *>> values) {
    Environment environment(values);
    World world;
    EXPECT_FALSE(detectLauncher(world).failed());
    EXPECT_TRUE(world.launched);
    return world.speaksMpi;
  };
  EXPECT_FALSE(speaksMpi({{"RANK", "1"}, {"WORLD_SIZE", "2"}}));
  EXPECT_FALSE(speaksMpi({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}));
  EXPECT_TRUE(speaksMpi({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"PMIX_RANK", "1"}}));
  EXPECT_TRUE(speaksMpi({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}));
  // A script that tells PyTorch what mpirun says.
  EXPECT_TRUE(
      speaksMpi({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}}));
}

TEST(Launcher, boundRanksShareTheirCoresWithThoseOfTheSameShare) {
  EXPECT_EQ(ranksSharing(4, 16, 16), 4); // not bound
  EXPECT_EQ(ranksSharing(4, 1, 16), 1);  // a core each
  EXPECT_EQ(ranksSharing(4, 8, 16), 2);  // a socket each, two on each socket
  EXPECT_EQ(ranksSharing(4, 8, 8), 4);   // a container of eight cores
}

TEST(Launcher, twoThatDisagreeAreAnErrorThatPrintsBoth) {
  Environment environment({{"RANK", "0"}, {"WORLD_SIZE", "8"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}});
  World world;
  Status status = detectLauncher(world);
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message, "launchers disagree: torchrun says rank 0 of 8, Slurm says rank 1 of 2");
}

TEST(Launcher, aBatchScriptOfSlurmIsOneProcess) {
  Environment environment({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_FALSE(world.launched);
}

TEST(Launcher, whatStartsTheDaemonsOfMpirunIsNoLauncherOfRanks) {
  Environment environment({{"OMPI_COMM_WORLD_RANK", "5"},
                           {"OMPI_COMM_WORLD_SIZE", "8"},
                           {"SLURM_PROCID", "1"},
                           {"SLURM_STEP_NUM_TASKS", "2"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.launcher, "Open MPI");
  EXPECT_EQ(world.processRank, 5);
}

/// As srun --ntasks-per-node=1 torchrun --nproc_per_node=4 does.
TEST(Launcher, whatStartsTorchrunOnEachHostIsNoLauncherOfRanks) {
  Environment environment({{"RANK", "5"},
                           {"WORLD_SIZE", "8"},
                           {"TORCHELASTIC_RUN_ID", "none"},
                           {"SLURM_PROCID", "1"},
                           {"SLURM_STEP_NUM_TASKS", "2"},
                           {"PMIX_RANK", "1"}});
  World world;
  ASSERT_FALSE(detectLauncher(world).failed());
  EXPECT_EQ(world.launcher, "torchrun");
  EXPECT_EQ(world.processRank, 5);
  EXPECT_FALSE(world.speaksMpi);
}

std::string launcherError(std::initializer_list<std::pair<const char *, const char *>> values) {
  Environment environment(values);
  World world;
  Status status = detectLauncher(world);
  EXPECT_EQ(status.code, ExitUsage);
  return status.message;
}

TEST(Launcher, impossibleRanksAreAnError) {
  EXPECT_EQ(launcherError({{"RANK", "8"}, {"WORLD_SIZE", "8"}}), "torchrun says rank 8 of 8 ranks (RANK, WORLD_SIZE)");
  EXPECT_EQ(launcherError({{"RANK", "-1"}, {"WORLD_SIZE", "8"}}),
            "torchrun says rank -1 of 8 ranks (RANK, WORLD_SIZE)");
  EXPECT_EQ(launcherError({{"RANK", "1"}, {"WORLD_SIZE", "8"}, {"LOCAL_WORLD_SIZE", "0"}}),
            "torchrun says 0 ranks on this host (LOCAL_WORLD_SIZE)");
  EXPECT_EQ(launcherError({{"RANK", "1"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "-1"}}),
            "torchrun says that rank 1 is number -1 on its host (LOCAL_RANK)");
}

TEST(Launcher, whatIsNoNumberIsAnError) {
  EXPECT_EQ(launcherError({{"RANK", "x"}, {"WORLD_SIZE", "4"}}), "RANK=x of torchrun is not an integer");
  EXPECT_EQ(launcherError({{"RANK", "+1"}, {"WORLD_SIZE", "4"}}), "RANK=+1 of torchrun is not an integer");
  EXPECT_EQ(launcherError({{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "four"}}),
            "OMPI_COMM_WORLD_SIZE=four of Open MPI is not an integer");
  EXPECT_EQ(launcherError({{"PMI_RANK", "1"}, {"PMI_SIZE", "99999999999999999999"}}),
            "PMI_SIZE=99999999999999999999 of PMI is not an integer");
  EXPECT_EQ(launcherError({{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"LOCAL_WORLD_SIZE", "2x"}}),
            "LOCAL_WORLD_SIZE=2x of torchrun is not an integer");
}

ColoOptimizer schedule(int32_t kind, int64_t warmup, int64_t total) {
  ColoOptimizer o = {};
  o.schedule = kind;
  o.lr = 1;
  o.minLr = 0.2;
  o.warmupSteps = warmup;
  o.totalSteps = total;
  return o;
}

TEST(LearningRate, warmsUpLinearly) {
  for (int32_t kind : {COLO_LR_CONSTANT, COLO_LR_LINEAR, COLO_LR_COSINE}) {
    ColoOptimizer o = schedule(kind, 4, 10);
    EXPECT_DOUBLE_EQ(learningRate(o, 0, 100), 0.25);
    EXPECT_DOUBLE_EQ(learningRate(o, 3, 100), 1);
    EXPECT_DOUBLE_EQ(learningRate(o, 4, 100), 1);
  }
}

TEST(LearningRate, fallsByItsFormula) {
  EXPECT_DOUBLE_EQ(learningRate(schedule(COLO_LR_CONSTANT, 0, 10), 9, 100), 1);
  EXPECT_DOUBLE_EQ(learningRate(schedule(COLO_LR_LINEAR, 0, 10), 5, 100), 0.6);
  EXPECT_DOUBLE_EQ(learningRate(schedule(COLO_LR_COSINE, 0, 10), 5, 100), 0.6);
  EXPECT_NEAR(learningRate(schedule(COLO_LR_COSINE, 2, 10), 4, 100), 0.2 + 0.8 * (1 + std::sqrt(0.5)) / 2, 1e-15);
  for (int32_t kind : {COLO_LR_LINEAR, COLO_LR_COSINE})
    EXPECT_DOUBLE_EQ(learningRate(schedule(kind, 2, 10), 25, 100), 0.2);
}

TEST(LearningRate, theRunsStepsStandInForTheTotal) {
  EXPECT_DOUBLE_EQ(learningRate(schedule(COLO_LR_LINEAR, 0, 0), 50, 100), 0.6);
}

} // namespace
