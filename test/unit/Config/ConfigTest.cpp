//===- ConfigTest.cpp - what a config resolves to -------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The fields of ParallelConfig, with every mode and feature there, also those
// that the tables of the compiler do not list yet.
//
//===----------------------------------------------------------------------===//

#include "Load.h"
#include "gtest/gtest.h"

using namespace colo;
using namespace colo::test;

namespace {

/// The shape of `parallel = dict(tensor=dict(text))` if it is legal.
std::optional<ParallelConfig> tensor(const std::string &text) {
  return Loaded("parallel = dict(tensor=dict(" + text + "))").config;
}

TEST(Config, AnEmptyFileGivesTheDefaults) {
  Loaded loaded("");
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->tensorMode.value, "none");
  EXPECT_EQ(loaded.config->batchSize, 8);
  EXPECT_EQ(loaded.config->optimizer.type.value, "AdamW");
  EXPECT_EQ(loaded.config->seed, 1024);
  EXPECT_TRUE(loaded.config->seed.isDefault());
}

TEST(Config, EmptyAndAbsentAndNoneParallelAreTheSame) {
  EXPECT_EQ(Loaded("parallel = dict()").printed(), Loaded("").printed());
  EXPECT_EQ(Loaded("parallel = None").printed(), Loaded("").printed());
}

TEST(Config, PipelineIsAnIntOrADict) {
  const char *rest = "\nNUM_MICRO_BATCHES = 4";
  EXPECT_EQ(Loaded(std::string("parallel = dict(pipeline=2)") + rest).config->pipeline, 2);
  EXPECT_EQ(Loaded(std::string("parallel = {'pipeline': dict(size=2)}") + rest).config->pipeline, 2);
}

TEST(Config, APipelineNeedsMicroBatches) {
  EXPECT_EQ(Loaded("parallel = dict(pipeline=2)").errors(),
            "1:26: a pipeline of 2 stages needs NUM_MICRO_BATCHES, the number of micro-batches in BATCH_SIZE\n");
}

TEST(Config, ChunksSelectTheInterleavedSchedule) {
  Loaded loaded("parallel = dict(pipeline=2)\nNUM_MICRO_BATCHES = 4\nmodel = dict(num_chunks=2, hidden=64)");
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(loaded.config->pipelineChunks, 2);
  EXPECT_EQ(loaded.config->pipelineSchedule.value, "interleaved");
  EXPECT_EQ(loaded.config->model.size(), 1u);
}

TEST(Config, EveryModeTakesTheSizesOfItsShape) {
  struct {
    const char *mode;
    std::vector<int> legal;
  } modes[] = {{"'1d'", {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 27}},
               {"'2d'", {1, 4, 9, 16}},
               {"'3d'", {1, 8, 27}},
               {"'2.5d', depth=1", {1, 4, 9, 16}},
               {"'2.5d', depth=2", {2, 8}},
               {"'2.5d', depth=3", {3, 27}},
               {"'sequence'", {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 27}},
               {"'ulysses'", {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 27}},
               {"None", {1}}};
  for (const auto &mode : modes)
    for (int size : {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 27}) {
      bool legal = llvm::is_contained(mode.legal, size);
      EXPECT_EQ(tensor("size=" + std::to_string(size) + ", mode=" + mode.mode).has_value(), legal)
          << size << " " << mode.mode;
    }
}

TEST(Config, LargeSquaresAndCubesAreExact) {
  EXPECT_TRUE(tensor("size=1024**2, mode='2d'"));
  EXPECT_FALSE(tensor("size=1023**2 - 1, mode='2d'"));
  EXPECT_TRUE(tensor("size=101**3, mode='3d'"));
  EXPECT_FALSE(tensor("size=101**3 + 1, mode='3d'"));
}

TEST(Config, SequenceGoesWith1D) {
  Loaded loaded("parallel = dict(tensor=dict(size=2, mode='1d'), sequence=dict(size=4))", 16);
  ASSERT_TRUE(loaded.config) << loaded.errors();
  EXPECT_EQ(loaded.config->sequenceSize, 4);
  EXPECT_EQ(loaded.config->sequenceMode.value, "ring");
}

TEST(Config, SequenceIsANumberOrHasAMode) {
  Loaded number("parallel = dict(tensor=dict(size=2, mode='1d'), sequence=4)", 16);
  ASSERT_TRUE(number.config) << number.errors();
  EXPECT_EQ(number.config->sequenceSize, 4);
  Loaded heads("parallel = dict(tensor=dict(size=2, mode='1d'), sequence=dict(size=4, mode='ulysses'))", 16);
  ASSERT_TRUE(heads.config) << heads.errors();
  EXPECT_EQ(heads.config->sequenceMode.value, "ulysses");
}

TEST(Config, SequenceOfOneGoesWithEveryMode) {
  EXPECT_TRUE(Loaded("parallel = dict(tensor=dict(size=4, mode='2d'), sequence=1)").config);
  EXPECT_TRUE(Loaded("parallel = dict(sequence=dict(size=1))").config);
}

TEST(Config, DataIsStoredAndComparedWithTheWorld) {
  const char *text = "parallel = dict(data=2, pipeline=2, tensor=dict(size=2, mode='1d'))\nNUM_MICRO_BATCHES = 2";
  EXPECT_EQ(Loaded(text).config->data, 2);
  EXPECT_TRUE(Loaded(text, 8).config);
  EXPECT_EQ(Loaded(text, 16).errors(), "1:22: data (2) x pipeline (2) x tensor (2) = 8 contradicts the world of 16 "
                                       "ranks; data must be 4, or left out\n");
  EXPECT_EQ(Loaded(text, 6).errors(), "1:54: a world of 6 ranks is not a multiple of pipeline (2) x tensor (2) = 4\n");
}

TEST(Config, DefaultsOfAnOptimizerAreTorchs) {
  Loaded adam("optimizer = dict(type='Adam')"), adamW("optimizer = dict(type='AdamW')"),
      sgd("optimizer = dict(type='SGD', lr=0.5)");
  EXPECT_EQ(adam.config->optimizer.weightDecay, 0);
  EXPECT_EQ(adamW.config->optimizer.weightDecay, 0.01);
  EXPECT_EQ(adamW.config->optimizer.lr, 1e-3);
  EXPECT_EQ(adamW.config->optimizer.eps, 1e-8);
  EXPECT_EQ(sgd.config->optimizer.weightDecay, 0);
  EXPECT_EQ(sgd.config->optimizer.momentum, 0);
  EXPECT_EQ(sgd.config->optimizer.lr, 0.5);
}

TEST(Config, AnImportedTypeIsTheNameOfAnOptimizer) {
  for (const char *import : {"from torch.optim import SGD as Chosen", "import torch.optim as o\nChosen = o.SGD"})
    EXPECT_EQ(Loaded(std::string(import) + "\noptimizer = dict(type=Chosen, lr=1, momentum=0.9)")
                  .config->optimizer.type.value,
              "SGD");
}

TEST(Config, ModelValuesKeepTheirTypes) {
  Loaded loaded("model = dict(a=1, b=1.0, c=True, d='x')");
  ASSERT_TRUE(loaded.config);
  EXPECT_TRUE(std::holds_alternative<int64_t>(loaded.config->model["a"].value));
  EXPECT_TRUE(std::holds_alternative<double>(loaded.config->model["b"].value));
  EXPECT_TRUE(std::holds_alternative<bool>(loaded.config->model["c"].value));
  EXPECT_TRUE(std::holds_alternative<std::string>(loaded.config->model["d"].value));
}

TEST(Config, OriginIsWhereTheValueStands) {
  Loaded loaded("SIZE = 4\nTENSOR = dict(\n  size=SIZE, mode='1d')\nparallel = dict(tensor=TENSOR)");
  ASSERT_TRUE(loaded.config);
  llvm::SMLoc loc = loaded.config->tensorSize.loc;
  EXPECT_EQ(loaded.sources.getLineAndColumn(loc), std::make_pair(3u, 8u));
}

TEST(Config, ChangingADictThatHasTwoNamesIsAnError) {
  Loaded loaded("tensor = dict(size=4, mode='1d')\nparallel = dict(tensor=tensor)\ntensor['size'] = 2");
  EXPECT_EQ(loaded.errors(), "3:8: this dict is known by another name too and would change there as well; write the "
                             "entry where the dict is made\n");
  EXPECT_EQ(
      Loaded("parallel = dict(tensor=dict(size=4, mode='1d'))\nparallel['tensor']['size'] = 2").config->tensorSize, 2);
}

TEST(Config, ColumnsCountBytesAndALeadingMarkIsSkipped) {
  EXPECT_EQ(Loaded("\xEF\xBB\xBFx = undefined").errors(), "1:8: 'undefined' is not defined\n");
  EXPECT_EQ(Loaded("x = '\xC3\xA9' + undefined").errors(), "1:12: 'undefined' is not defined\n");
}

TEST(Config, LineEndsOfAllSystemsAreRead) {
  for (const char *end : {"\n", "\r\n", "\r"}) {
    std::string text = std::string("x = [1,") + end + " 2]  # comment" + end + "BATCH_SIZE = x[1] + \\" + end + "  4";
    Loaded loaded(text);
    ASSERT_TRUE(loaded.config) << loaded.errors();
    EXPECT_EQ(loaded.config->batchSize, 6);
  }
}

} // namespace
