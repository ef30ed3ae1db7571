//===- TrainingTest.cpp - whole runs of a hand-written program ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same executable on 1, 2, 3 and 6 ranks gives the same losses, gradients
// and parameters; its errors end the process with one line and the right code;
// steps allocate nothing.
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "RegressionProgram.h"
#include "colo/Runtime/Safetensors.h"
#include "colo/Runtime/Status.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;
using Json = nlohmann::json;

namespace {

std::vector<Json> readLog(const std::string &text) {
  std::vector<Json> records;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    records.push_back(Json::parse(line));
  return records;
}

struct Result {
  std::vector<Json> log;
  std::map<std::string, std::vector<double>> params, grads;
  Json stats;
};

std::map<std::string, std::vector<double>> readTensors(const std::string &path) {
  SafetensorsFile file;
  Status status = file.open(path);
  EXPECT_FALSE(status.failed()) << status.message;
  std::map<std::string, std::vector<double>> tensors;
  for (const auto &entry : file.tensors()) {
    const FileTensor &t = entry.second;
    for (int64_t i = 0; i < t.elements; ++i) {
      double wide = 0;
      float narrow = 0;
      std::memcpy(t.dtype == COLO_F64 ? static_cast<void *>(&wide) : &narrow, t.data + i * typeSize(t.dtype),
                  typeSize(t.dtype));
      tensors[entry.first].push_back(t.dtype == COLO_F64 ? wide : narrow);
    }
  }
  return tensors;
}

Result train(const RegressionShape &shape, int64_t ranks, std::vector<std::string> more = {}) {
  Folder folder;
  RegressionProgram program(shape);
  std::vector<std::string> flags = {"--data=synthetic:50,ignore=0.3",
                                    "--steps=12",
                                    "--quiet",
                                    "--check-replicas",
                                    "--ranks=" + std::to_string(ranks),
                                    "--log=" + (folder / "log"),
                                    "--stats=" + (folder / "stats"),
                                    "--export=" + (folder / "model"),
                                    "--dump-grads=" + (folder / "grads")};
  flags.insert(flags.end(), more.begin(), more.end());
  EXPECT_EQ(program.run(flags), 0);
  return {readLog(folder.read("log")), readTensors(folder / "model"), readTensors(folder / "grads"),
          Json::parse(folder.read("stats"))};
}

void expectEqual(const Result &a, const Result &b, double tolerance, const std::string &what) {
  ASSERT_EQ(a.log.size(), b.log.size());
  for (size_t i = 0; i < a.log.size(); ++i)
    for (const char *key : {"loss", "grad_norm", "lr"})
      EXPECT_NEAR(a.log[i][key].get<double>(), b.log[i][key].get<double>(), tolerance) << what << " " << key << i;
  for (auto tensors : {&Result::params, &Result::grads})
    for (const auto &entry : a.*tensors) {
      const std::vector<double> &other = (b.*tensors).at(entry.first);
      ASSERT_EQ(entry.second.size(), other.size());
      for (size_t i = 0; i < other.size(); ++i)
        EXPECT_NEAR(entry.second[i], other[i], tolerance) << what << " " << entry.first << " " << i;
    }
}

TEST(Training, equalGlobalBatchesGiveEqualRunsOnAnyRanks) {
  RegressionShape one;
  one.batch = 12;
  Result reference = train(one, 1);
  EXPECT_EQ(reference.log.size(), 12u);
  EXPECT_LT(reference.log[11]["loss"], reference.log[0]["loss"]);
  // {tensor, ranks, rows per replica and accumulation step, accumulation}
  const int64_t cells[][4] = {{1, 2, 6, 1}, {1, 3, 4, 1}, {2, 2, 12, 1}, {3, 3, 12, 1},
                              {2, 4, 6, 1}, {3, 6, 6, 1}, {1, 1, 4, 3},  {2, 6, 2, 2}};
  for (auto &cell : cells) {
    RegressionShape shape;
    shape.tensor = cell[0];
    shape.batch = cell[2];
    shape.accumulation = cell[3];
    Result result = train(shape, cell[1]);
    expectEqual(reference, result, 1e-12, "tensor " + std::to_string(cell[0]) + " ranks " + std::to_string(cell[1]));
    EXPECT_EQ(result.stats["total"]["flops"].get<int64_t>() / result.stats["ranks"].get<int64_t>(),
              result.stats["per_rank"][0]["flops"].get<int64_t>());
  }
}

TEST(Training, f32FollowsF64) {
  RegressionShape shape;
  Result wide = train(shape, 2);
  shape.dtype = COLO_F32;
  Result narrow = train(shape, 2);
  expectEqual(wide, narrow, 1e-5, "f32");
}

TEST(Training, aRunRepeatsBitByBit) {
  RegressionShape shape;
  shape.dtype = COLO_F32;
  Result a = train(shape, 4), b = train(shape, 4);
  EXPECT_EQ(a.params, b.params);
  EXPECT_EQ(a.grads, b.grads);
}

TEST(Training, exportedParametersAreWhereARunStarts) {
  Folder folder;
  RegressionShape shape;
  shape.tensor = 2;
  {
    RegressionProgram program(shape);
    EXPECT_EQ(program.run({"--steps=0", "--quiet", "--seed=5", "--export=" + (folder / "five")}), 0);
  }
  Result byFile = train(shape, 2, {"--init=" + (folder / "five")}), bySeed = train({}, 1, {"--seed=5"});
  Result byName = train(shape, 2);
  EXPECT_NE(byFile.params, byName.params);
  // The seed orders the data too, so compare what does not depend on it.
  RegressionProgram program(shape);
  EXPECT_EQ(program.run({"--steps=0", "--quiet", "--init=" + (folder / "five"), "--export=" + (folder / "again")}), 0);
  EXPECT_EQ(folder.read("five"), folder.read("again"));
  EXPECT_FALSE(std::filesystem::exists(folder / "again.tmp"));
  EXPECT_EQ(bySeed.params.size(), 2u);
}

TEST(Training, countsWhatTheFormulasSay) {
  RegressionShape shape;
  shape.tensor = 2;
  Result result = train(shape, 6);
  // Per rank and step: counts 1 i64 over dp=3; gradients 8 * 3 f64 over dp=3;
  // loss 2 f64 over 6 ranks.
  int64_t bytes[3] = {};
  for (const Json &rank : result.stats["per_rank"])
    for (const Json &site : rank["sites"])
      bytes[site["site"].get<int>()] += site["bytes"].get<int64_t>();
  EXPECT_EQ(bytes[0], 12 * 2 * (2 * 2 * 8));
  EXPECT_EQ(bytes[1], 12 * 2 * 5 * 16);
  EXPECT_EQ(bytes[2], 12 * 2 * (2 * 2 * 24 * 8));
  const Json &rank = result.stats["per_rank"][5];
  EXPECT_EQ(rank["coordinates"], Json::array({1}));
  EXPECT_EQ(rank["arena_bytes"]["params"], 24 * 8);
  // Workspace: 2 x 3 outputs and 2 losses, all written.
  EXPECT_EQ(rank["arena_bytes"]["workspace"], 64);
  EXPECT_EQ(rank["flops"], 12 * 3 * (2 * 2 * 3 * 7 * 2));
  EXPECT_GT(result.stats["start_seconds"], 0);
}

TEST(Training, evaluationLeavesTheModelAsItIs) {
  Result plain = train({}, 2), evaluated = train({}, 2, {"--eval=synthetic:40", "--eval-every=4"});
  EXPECT_EQ(plain.params, evaluated.params);
  EXPECT_EQ(plain.stats["total"]["bytes"], evaluated.stats["total"]["bytes"]);
  std::vector<Json> evaluations;
  for (const Json &record : evaluated.log)
    if (record.contains("eval_loss"))
      evaluations.push_back(record);
  ASSERT_EQ(evaluations.size(), 3u);
  EXPECT_EQ(evaluations[2]["step"], 12);
  EXPECT_EQ(evaluations[2]["eval_batches"], 3); // 40 records, 12 a batch
  EXPECT_LT(evaluations[2]["eval_loss"], evaluations[0]["eval_loss"]);
}

TEST(Training, usageAndInputErrorsComeBackAsExitCodes) {
  Folder folder;
  RegressionShape shape;
  shape.tensor = 2;
  RegressionProgram program(shape);
  EXPECT_EQ(program.run({"--data=synthetic:9", "--ranks=3"}), 2);
  EXPECT_EQ(program.run({"--steps=1"}), 2);
  EXPECT_EQ(program.run({"--data=synthetic:9", "--comm=mpl"}), 2);
  EXPECT_EQ(program.run({"--data=synthetic:9", "--stat=x"}), 2);
  EXPECT_EQ(program.run({"--data=" + (folder / "none")}), 1);
  EXPECT_EQ(program.run({"--data=synthetic:9", "--init=" + (folder / "none")}), 1);
  EXPECT_EQ(program.run({"--help"}), 0);
  EXPECT_EQ(program.run({"--info"}), 0);
  ColoProgram other = *program.get();
  other.abi = COLO_ABI_VERSION + 1;
  char name[] = "EXE";
  char *argv[] = {name};
  EXPECT_EQ(colo_main(1, argv, &other), 70);
}

/// Ends like a process of its own would: the faults below stop all ranks.
void runAndExit(Fault fault, std::vector<std::string> flags) {
  RegressionProgram program({}, fault);
  flags.insert(flags.end(), {"--steps=3", "--quiet"});
  _exit(program.run(flags));
}

class Failures : public ::testing::Test {
protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(Failures, ranksThatDisagreeEndTheRunWithBothSites) {
  EXPECT_EXIT(runAndExit(Fault::OtherCount, {"--data=synthetic:50", "--ranks=2"}), ::testing::ExitedWithCode(70),
              "ranks 0 and 1 do not make the same call: all_reduce of 40 f64 .sum. at gradients of Regression.fc "
              "regression.colo:3:5 against all_reduce of 39 f64");
}

TEST_F(Failures, aRankThatDoesNotComeIsNamed) {
  EXPECT_EXIT(runAndExit(Fault::SkipCollective, {"--data=synthetic:50", "--ranks=2", "--comm-timeout=0.5"}),
              ::testing::ExitedWithCode(70), "waited 0.5 s in all_reduce of [0-9]+ [a-z0-9]+ .sum. at ");
}

TEST_F(Failures, replicasThatDriftApartAreNamed) {
  EXPECT_EXIT(runAndExit(Fault::DivergeReplica, {"--data=synthetic:50", "--ranks=2", "--check-replicas"}),
              ::testing::ExitedWithCode(70),
              "step 1: parameter fc.weight differs between rank 0 .replica 0, tp 0. and rank 1 .replica 1, tp 0.");
}

TEST_F(Failures, aLossThatIsNotANumberStopsTheRunAfterItsRecord) {
  Folder folder;
  EXPECT_EXIT(runAndExit(Fault::NanLoss, {"--data=synthetic:50", "--log=" + (folder / "log")}),
              ::testing::ExitedWithCode(1), "the loss is nan at step 1");
  RegressionProgram program({}, Fault::None);
}

TEST_F(Failures, gradientsThatAreNoNumbersStopTheRunThoughTheLossIsOne) {
  EXPECT_EXIT(runAndExit(Fault::NanGradient, {"--data=synthetic:50"}), ::testing::ExitedWithCode(1),
              "the loss is [0-9.]+ at step 1 .lr .*, gradient norm nan.");
}

TEST_F(Failures, anEvaluationSetSmallerThanABatch) {
  EXPECT_EXIT(runAndExit(Fault::None, {"--data=synthetic:50", "--eval=synthetic:5"}), ::testing::ExitedWithCode(1),
              "5 records, less than one global batch of 6");
}

} // namespace
