//===- PartitionTest.cpp - layers to stages --------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The golden values of the two methods, and what is refused.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Partition.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace colo::schedule;

namespace {

std::string toText(const std::optional<Partition> &partition, const Diagnostic &error) {
  if (!partition)
    return error.message;
  std::string text;
  for (LayerRange range : *partition)
    text += "[" + std::to_string(range.begin) + "," + std::to_string(range.end) + ")";
  return text;
}

std::string uniform(int64_t layers, int64_t stages, int64_t chunks) {
  Diagnostic error;
  return toText(partitionUniform(layers, stages, chunks, error), error);
}

std::string balanced(const std::vector<int64_t> &costs, int64_t stages, int64_t chunks = 1) {
  Diagnostic error;
  return toText(partitionBalanced(costs, stages, chunks, error), error);
}

std::string byList(int64_t layers, const std::vector<int64_t> &counts, int64_t stages, int64_t chunks = 1) {
  Diagnostic error;
  return toText(partitionByList(layers, counts, stages, chunks, error), error);
}

/// `count` costs of `inner` between two of `outer`.
std::vector<int64_t> between(int64_t outer, int64_t inner, size_t count) {
  std::vector<int64_t> costs(count + 2, inner);
  costs.front() = costs.back() = outer;
  return costs;
}

TEST(Partition, UniformGivesTheRemainderToTheLast) {
  EXPECT_EQ(uniform(12, 4, 1), "[0,3)[3,6)[6,9)[9,12)");
  EXPECT_EQ(uniform(10, 4, 1), "[0,2)[2,4)[4,7)[7,10)");
  EXPECT_EQ(uniform(9, 4, 1), "[0,2)[2,4)[4,6)[6,9)");
}

// Virtual stages in the order of the model: rank 0 runs the first and, with two
// stages, the third.
TEST(Partition, UniformWithChunks) {
  EXPECT_EQ(uniform(8, 2, 2), "[0,2)[2,4)[4,6)[6,8)");
  EXPECT_EQ(uniform(24, 4, 2), "[0,3)[3,6)[6,9)[9,12)[12,15)[15,18)[18,21)[21,24)");
  EXPECT_EQ(uniform(10, 2, 2), "[0,2)[2,5)[5,7)[7,10)");
}

TEST(Partition, Balanced) {
  EXPECT_EQ(balanced(between(100, 10, 6), 4), "[0,1)[1,4)[4,7)[7,8)");
  EXPECT_EQ(balanced(between(50, 12, 12), 4), "[0,2)[2,7)[7,12)[12,14)");
  EXPECT_EQ(balanced({0, 5, 0, 5, 0, 5, 0, 5}, 2), "[0,4)[4,8)");
}

TEST(Partition, BalancedOfAsManyLayersAsStages) {
  EXPECT_EQ(balanced({7, 1, 1, 9}, 4), "[0,1)[1,2)[2,3)[3,4)");
  EXPECT_EQ(balanced({7, 1, 1, 9}, 2, 2), "[0,1)[1,2)[2,3)[3,4)");
}

TEST(Partition, EmptyStageIsAnErrorWithTheNumberOfLayers) {
  EXPECT_EQ(uniform(3, 4, 1),
            "the model has 3 layers, too few for 4 stages: a stage would be empty; legal: at most 3 stages");
  EXPECT_EQ(balanced({1, 1, 1}, 2, 2), "the model has 3 layers, too few for 2 stages of 2 chunks: a stage would be "
                                       "empty; legal: at most 3 stages x chunks");
  EXPECT_EQ(byList(4, {2, 0, 2}, 3), "stage 1 of the list has 0 layers; legal: at least 1, and 4 in all");
  EXPECT_EQ(balanced({}, 1), "the model has 0 layers, too few for 1 stages: a stage would be empty; legal: at most 0 "
                             "stages");
}

TEST(Partition, Refused) {
  EXPECT_EQ(uniform(9, 2, 2), "a uniform partition gives each of the 2 chunks as many layers, and the model has 9; "
                              "legal: a multiple of 2 layers, a balanced partition, or a list of layers");
  EXPECT_EQ(uniform(9, 0, 1), "the number of stages is 0; legal: 1 to 1048576");
  EXPECT_EQ(balanced({1, -2, 1}, 2), "the cost of layer 1 is -2; legal: at least 0");
  EXPECT_EQ(balanced({INT64_MAX, 1, 1}, 2), "the costs of the layers up to layer 1 sum to more than "
                                            "9223372036854775807; legal: a sum of at most that");
}

TEST(Partition, ByList) {
  EXPECT_EQ(byList(7, {1, 3, 2, 1}, 4), "[0,1)[1,4)[4,6)[6,7)");
  EXPECT_EQ(byList(7, {1, 3, 2, 1}, 2, 2), "[0,1)[1,4)[4,6)[6,7)");
  EXPECT_EQ(byList(7, {4, 3}, 3), "the list of layers per stage has 2 entries; legal: 3, one for each of 3 stages x 1 "
                                  "chunks");
  EXPECT_EQ(byList(7, {4, 2}, 2), "the stages of the list have 6 layers; legal: 7 in all, as the model has");
  EXPECT_EQ(byList(7, {4, INT64_MAX}, 2),
            "the first 2 stages of the list have more than the 7 layers of the model; legal: 7 in all");
}

/// The least possible cost of the most expensive of `parts` ranges, by trying
/// all places of the last cut.
int64_t leastCap(const std::vector<int64_t> &costs, size_t layers, int64_t parts) {
  int64_t sum = 0, best = INT64_MAX;
  for (size_t i = 0; i < layers; ++i)
    sum += costs[i];
  if (parts == 1)
    return sum;
  int64_t last = 0;
  for (size_t cut = layers - 1; cut >= static_cast<size_t>(parts - 1); --cut) {
    last += costs[cut];
    best = std::min(best, std::max(last, leastCap(costs, cut, parts - 1)));
  }
  return best;
}

TEST(Partition, BalancedIsOptimalAndCovers) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    int64_t stages = 1 + random() % 4;
    std::vector<int64_t> costs(stages + random() % 8);
    for (int64_t &cost : costs)
      cost = 1 + random() % 20;
    Diagnostic error;
    std::optional<Partition> partition = partitionBalanced(costs, stages, 1, error);
    ASSERT_TRUE(partition) << error.message;
    ASSERT_EQ(partition->size(), static_cast<size_t>(stages));
    int64_t heaviest = 0, end = 0;
    for (LayerRange range : *partition) {
      EXPECT_EQ(range.begin, end);
      EXPECT_GE(range.size(), 1);
      end = range.end;
      int64_t sum = 0;
      for (int64_t layer = range.begin; layer < range.end; ++layer)
        sum += costs[layer];
      heaviest = std::max(heaviest, sum);
    }
    EXPECT_EQ(end, static_cast<int64_t>(costs.size()));
    EXPECT_EQ(heaviest, leastCap(costs, costs.size(), stages));
  }
}

} // namespace
