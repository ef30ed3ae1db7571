//===- GroupsTest.cpp - the ranks of every communicator, by mode -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the axes of a mode to what the runtime splits the world by. The lists are
// those of Colossal-AI 0.2.8 (context/process_group_initializer), whose "row"
// group is the ranks of a row, that is, a group over `col`. Its data-parallel group of
// the mode sequence mixes stages; here it does not.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"
#include "colo/Runtime/Program.h"
#include "colo/Runtime/World.h"
#include "gtest/gtest.h"

using namespace colo;
using namespace colo::dist;

namespace {

struct Options : ShardingOptions {
  Options(const char *name, int64_t ranks, int64_t planes = 1) {
    mode = name;
    size = ranks;
    depth = planes;
  }
};

constexpr bool kReplicas = true;

/// A world of `ranks` with `stages` in every replica, as a program of the mode sees it.
class Groups {
public:
  Groups(const ShardingOptions &options, int64_t ranks, int64_t stages = 1) : mesh(makeMesh(*makePolicy(options))) {
    for (auto [name, size] : llvm::zip(mesh.names, mesh.sizes))
      axes.push_back({name.c_str(), size});
    program.model = "M";
    program.axisCount = static_cast<int32_t>(axes.size());
    program.axes = axes.data();
    program.pipeline = stages;
    program.batchSize = program.microBatch = program.accumulation = 1;
    EXPECT_FALSE(runtime::planWorld(program, ranks, world).failed());
  }

  /// The communicators over `over`, each as the list of its ranks in their order.
  std::string list(std::initializer_list<llvm::StringRef> over, bool replicas = false) const {
    ColoComm comm = {};
    comm.dataParallel = replicas;
    for (llvm::StringRef name : over)
      comm.axes.axis[comm.axes.count++] = *mesh.find(name);
    std::map<int, std::map<int, int64_t>> groups;
    for (int64_t rank = 0; rank < world.ranks; ++rank) {
      runtime::SplitKey split = splitKey(program, comm, coordinatesOf(program, world, rank), world);
      EXPECT_TRUE(groups[split.color].emplace(split.key, rank).second);
    }
    std::map<int64_t, std::string> texts;
    for (auto &[color, members] : groups) {
      std::string text;
      for (auto [key, rank] : members)
        text += (text.empty() ? "" : ",") + std::to_string(rank);
      texts[members.begin()->second] = "[" + text + "]";
    }
    std::string all;
    for (auto &[first, text] : texts)
      all += text;
    return all;
  }

private:
  Mesh mesh;
  std::vector<ColoAxis> axes;
  ColoProgram program = {};
  runtime::World world;
};

TEST(Groups, of1d) {
  Groups groups(Options("1d", 2), 8, /*stages=*/2);
  EXPECT_EQ(groups.list({"tp"}), "[0,1][2,3][4,5][6,7]");
  EXPECT_EQ(groups.list({}, kReplicas), "[0,4][1,5][2,6][3,7]");
}

TEST(Groups, of2d) {
  Groups two(Options("2d", 4), 8, /*stages=*/2);
  EXPECT_EQ(two.list({"row", "col"}), "[0,1,2,3][4,5,6,7]");
  EXPECT_EQ(two.list({"col"}), "[0,1][2,3][4,5][6,7]");
  EXPECT_EQ(two.list({"row"}), "[0,2][1,3][4,6][5,7]");
  EXPECT_EQ(two.list({}, kReplicas), "[0][1][2][3][4][5][6][7]");
  Groups twice(Options("2d", 4), 16, /*stages=*/2);
  EXPECT_EQ(twice.list({}, kReplicas), "[0,8][1,9][2,10][3,11][4,12][5,13][6,14][7,15]");
  EXPECT_EQ(twice.list({"row"}), "[0,2][1,3][4,6][5,7][8,10][9,11][12,14][13,15]");
  Groups four(Options("2d", 16), 16);
  EXPECT_EQ(four.list({"col"}), "[0,1,2,3][4,5,6,7][8,9,10,11][12,13,14,15]");
  EXPECT_EQ(four.list({"row"}), "[0,4,8,12][1,5,9,13][2,6,10,14][3,7,11,15]");
}

TEST(Groups, of25d) {
  Groups one(Options("2.5d", 8, 2), 8);
  EXPECT_EQ(one.list({"row"}), "[0,2][1,3][4,6][5,7]");
  EXPECT_EQ(one.list({"col"}), "[0,1][2,3][4,5][6,7]");
  EXPECT_EQ(one.list({"dep"}), "[0,4][1,5][2,6][3,7]");
  EXPECT_EQ(one.list({"dep", "row"}), "[0,2,4,6][1,3,5,7]");
  Groups two(Options("2.5d", 8, 2), 16, /*stages=*/2);
  EXPECT_EQ(two.list({"dep"}), "[0,4][1,5][2,6][3,7][8,12][9,13][10,14][11,15]");
  Groups deep(Options("2.5d", 12, 3), 12);
  EXPECT_EQ(deep.list({"dep"}), "[0,4,8][1,5,9][2,6,10][3,7,11]");
  EXPECT_EQ(deep.list({"dep", "row"}), "[0,2,4,6,8,10][1,3,5,7,9,11]");
}

TEST(Groups, of3d) {
  Groups one(Options("3d", 8), 8);
  EXPECT_EQ(one.list({"wt"}), "[0,1][2,3][4,5][6,7]");
  EXPECT_EQ(one.list({"in"}), "[0,2][1,3][4,6][5,7]");
  EXPECT_EQ(one.list({"out"}), "[0,4][1,5][2,6][3,7]");
  EXPECT_EQ(one.list({"in", "wt"}), "[0,1,2,3][4,5,6,7]");
  EXPECT_EQ(one.list({"out", "wt"}), "[0,1,4,5][2,3,6,7]");
  Groups two(Options("3d", 8), 16, /*stages=*/2);
  EXPECT_EQ(two.list({"in"}), "[0,2][1,3][4,6][5,7][8,10][9,11][12,14][13,15]");
}

TEST(Groups, ofSequenceModes) {
  for (const char *mode : {"sequence", "ulysses"}) {
    Groups one(Options(mode, 2), 8, /*stages=*/2);
    EXPECT_EQ(one.list({"sp"}), "[0,1][2,3][4,5][6,7]");
    EXPECT_EQ(one.list({"sp"}, kReplicas), "[0,1,4,5][2,3,6,7]");
    Groups two(Options(mode, 4), 16, /*stages=*/2);
    EXPECT_EQ(two.list({"sp"}, kReplicas), "[0,1,2,3,8,9,10,11][4,5,6,7,12,13,14,15]");
  }
}

TEST(Groups, ofSequenceWith1d) {
  Options options("1d", 2);
  options.sequenceSize = 3;
  Groups groups(options, 12);
  EXPECT_EQ(groups.list({"tp"}), "[0,1][2,3][4,5][6,7][8,9][10,11]");
  EXPECT_EQ(groups.list({"sp"}), "[0,2,4][1,3,5][6,8,10][7,9,11]");
  EXPECT_EQ(groups.list({"sp", "tp"}), "[0,1,2,3,4,5][6,7,8,9,10,11]");
  EXPECT_EQ(groups.list({"sp"}, kReplicas), "[0,2,4,6,8,10][1,3,5,7,9,11]");
}

} // namespace
