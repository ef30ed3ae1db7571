//===- ReshardTest.cpp - reshards against slices of a global tensor -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For every pair of shardings of rank at most 2 on small meshes: the planned
// collectives, simulated on the parts of all ranks, leave each rank with its
// slice of the global tensor; and no sequence of collectives sends less. The
// oracle for the latter searches all steps, without what the planner leaves out.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Sharding.h"
#include "gtest/gtest.h"
#include <numeric>
#include <set>

using namespace colo;
using namespace colo::dist;

namespace {

/// A part of a tensor; a vector is one column.
struct Part {
  int64_t size[2];
  std::vector<double> values;
  double &at(int64_t i, int64_t j) { return values[i * size[1] + j]; }
  double at(int64_t i, int64_t j) const { return values[i * size[1] + j]; }
};

Part makePart(int64_t rows, int64_t columns) { return {{rows, columns}, std::vector<double>(rows * columns)}; }

Part slice(const Part &part, int dim, int64_t count, int64_t index) {
  int64_t size[2] = {part.size[0], part.size[1]}, offset[2] = {0, 0};
  size[dim] /= count;
  offset[dim] = index * size[dim];
  Part result = makePart(size[0], size[1]);
  for (int64_t i = 0; i < size[0]; ++i)
    for (int64_t j = 0; j < size[1]; ++j)
      result.at(i, j) = part.at(i + offset[0], j + offset[1]);
  return result;
}

Part join(const Part &a, const Part &b, int dim) {
  int64_t size[2] = {a.size[0], a.size[1]};
  size[dim] += b.size[dim];
  Part result = makePart(size[0], size[1]);
  for (const Part *part : {&a, &b})
    for (int64_t i = 0; i < part->size[0]; ++i)
      for (int64_t j = 0; j < part->size[1]; ++j) {
        int64_t offset = part == &a ? 0 : a.size[dim];
        result.at(i + (dim == 0 ? offset : 0), j + (dim == 1 ? offset : 0)) = part->at(i, j);
      }
  return result;
}

Part reduce(const std::vector<Part> &parts, ReduceKind kind) {
  Part result = parts[0];
  for (size_t p = 1; p < parts.size(); ++p)
    for (size_t i = 0; i < result.values.size(); ++i)
      result.values[i] = kind == ReduceKind::Sum ? result.values[i] + parts[p].values[i]
                                                 : std::max(result.values[i], parts[p].values[i]);
  return result;
}

/// The ranks of one tensor group and their parts of one tensor.
class Ranks {
public:
  Ranks(const Mesh &mesh, std::vector<int64_t> shape) : mesh(mesh), shape(std::move(shape)) {
    for (int64_t size : mesh.sizes)
      count *= size;
  }

  int64_t coordinate(int64_t rank, int axis) const {
    for (int minor = mesh.rank() - 1; minor > axis; --minor)
      rank /= mesh.sizes[minor];
    return rank % mesh.sizes[axis];
  }
  int64_t number(int64_t rank, llvm::ArrayRef<int> axes) const {
    int64_t n = 0;
    for (int axis : axes)
      n = n * mesh.sizes[axis] + coordinate(rank, axis);
    return n;
  }
  /// The members of a rank's group, in the order of their numbers.
  std::vector<int64_t> group(int64_t rank, llvm::ArrayRef<int> axes) const {
    std::vector<int64_t> members(mesh.groupSize(axes));
    for (int64_t other = 0; other < count; ++other) {
      bool isMember = true;
      for (int axis = 0; axis < mesh.rank(); ++axis)
        isMember &= llvm::is_contained(axes, axis) || coordinate(other, axis) == coordinate(rank, axis);
      if (isMember)
        members[number(other, axes)] = other;
    }
    return members;
  }

  /// A rank's part of `dim` cut over `axes`, one axis after the other: a run, or of a zigzag axis two blocks.
  Part cut(Part part, int dim, llvm::ArrayRef<int> axes, int64_t rank) const {
    for (int axis : axes) {
      int64_t n = mesh.sizes[axis], i = coordinate(rank, axis);
      part = mesh.isZigzag(axis) ? join(slice(part, dim, 2 * n, i), slice(part, dim, 2 * n, 2 * n - 1 - i), dim)
                                 : slice(part, dim, n, i);
    }
    return part;
  }
  /// Puts the parts of `members` together: an element lies where a cut of the whole takes it from.
  Part gather(const std::vector<Part> &theirs, const std::vector<int64_t> &members, int dim,
              llvm::ArrayRef<int> axes) const {
    int64_t size[2] = {theirs[0].size[0], theirs[0].size[1]};
    size[dim] *= static_cast<int64_t>(members.size());
    Part result = makePart(size[0], size[1]), places = result;
    for (size_t i = 0; i < places.values.size(); ++i)
      places.values[i] = static_cast<double>(i);
    for (size_t m = 0; m < members.size(); ++m) {
      Part from = cut(places, dim, axes, members[m]);
      for (size_t i = 0; i < from.values.size(); ++i)
        result.values[static_cast<size_t>(from.values[i])] = theirs[m].values[i];
    }
    return result;
  }

  /// What summand `summand` contributes to an element; small integers, so that sums are exact.
  static double contribution(int64_t element, int64_t summand) {
    return static_cast<double>((element * 37 + summand * 101 + element * summand * 13) % 251);
  }
  /// Whether a rank with summand `summand` of `all` axes has the coordinates of `rank` on `some` of them.
  bool isSummandOf(int64_t summand, int64_t rank, const Axes &all, const Axes &some) const {
    for (int axis : llvm::reverse(all)) {
      if (llvm::is_contained(some, axis) && summand % mesh.sizes[axis] != coordinate(rank, axis))
        return false;
      summand /= mesh.sizes[axis];
    }
    return true;
  }
  /// Each rank's part of the tensor: what the ranks that differ from it on the axes over which only `source` is partial
  /// contribute together.
  std::vector<Part> parts(const Sharding &sharding, const Sharding &source) const {
    int64_t rows = shape.empty() ? 1 : shape[0], columns = shape.size() > 1 ? shape[1] : 1,
            summands = mesh.groupSize(source.partial);
    std::vector<Part> result;
    for (int64_t rank = 0; rank < count; ++rank) {
      std::vector<Part> contributions;
      for (int64_t summand = 0; summand < summands; ++summand) {
        if (!isSummandOf(summand, rank, source.partial, sharding.partial))
          continue;
        Part part = makePart(rows, columns);
        for (int64_t element = 0; element < rows * columns; ++element)
          part.values[element] = contribution(element, summand);
        contributions.push_back(std::move(part));
      }
      Part whole = reduce(contributions, source.kind);
      for (size_t dim = 0; dim < sharding.dims.size(); ++dim)
        whole = cut(whole, static_cast<int>(dim), sharding.dims[dim], rank);
      result.push_back(std::move(whole));
    }
    return result;
  }

  std::vector<Part> run(const Step &step, const Sharding &state, const std::vector<Part> &before) const {
    llvm::SmallVector<int64_t> sources;
    if (step.kind == StepKind::Permute)
      sources = permuteSources(state, step.result, step.axes, mesh);
    std::vector<Part> after;
    for (int64_t rank = 0; rank < count; ++rank) {
      std::vector<int64_t> members = group(rank, step.axes);
      std::vector<Part> theirs;
      for (int64_t member : members)
        theirs.push_back(before[member]);
      switch (step.kind) {
      case StepKind::AllGather:
        after.push_back(gather(theirs, members, step.dim, step.axes));
        break;
      case StepKind::AllSlice:
        after.push_back(cut(before[rank], step.dim, step.axes, rank));
        break;
      case StepKind::AllReduce:
        after.push_back(reduce(theirs, state.kind));
        break;
      case StepKind::ReduceScatter:
        after.push_back(cut(reduce(theirs, state.kind), step.dim, step.axes, rank));
        break;
      case StepKind::AllToAll:
        for (Part &part : theirs)
          part = cut(part, step.dim, step.axes, rank);
        after.push_back(gather(theirs, members, step.from, step.axes));
        break;
      case StepKind::Permute:
        after.push_back(theirs[sources[number(rank, step.axes)]]);
        break;
      }
    }
    return after;
  }

private:
  Mesh mesh;
  std::vector<int64_t> shape;
  int64_t count = 1;
};

Mesh meshOf(std::vector<int64_t> sizes, llvm::ArrayRef<int> zigzag = {}) {
  Mesh mesh;
  mesh.zigzag.assign(zigzag.begin(), zigzag.end());
  for (size_t i = 0; i < sizes.size(); ++i)
    mesh.names.push_back(std::string(1, static_cast<char>('a' + i)));
  mesh.sizes = std::move(sizes);
  return mesh;
}

/// All shardings of a rank: each axis on a dim, in any order there, or partial, or unused.
std::vector<Sharding> allShardings(const Mesh &mesh, int rank) {
  std::set<Sharding> found;
  std::vector<int> order(mesh.rank());
  for (int axis = 0; axis < mesh.rank(); ++axis)
    order[axis] = axis;
  do {
    std::vector<int> place(mesh.rank());
    for (bool more = true; more;) {
      Sharding sharding = Sharding::whole(rank);
      for (int axis : order) {
        if (place[axis] < rank)
          sharding.dims[place[axis]].push_back(axis);
        else if (place[axis] == rank)
          sharding.addPartial(axis);
      }
      found.insert(sharding);
      int digit = 0;
      while (digit < mesh.rank() && ++place[digit] == rank + 2)
        place[digit++] = 0;
      more = digit < mesh.rank();
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return {found.begin(), found.end()};
}

/// Cheapest costs between all shardings, from all steps that apply: distances
/// settle because each round can only lower them.
class Oracle {
public:
  Oracle(const Mesh &mesh, std::vector<int64_t> shape, const std::vector<Sharding> &states)
      : mesh(mesh), shape(std::move(shape)), states(states) {
    for (size_t i = 0; i < states.size(); ++i)
      indexOf[states[i]] = i;
    edges.resize(states.size());
    for (size_t i = 0; i < states.size(); ++i)
      addEdges(i);
  }

  std::vector<double> from(size_t source) const {
    std::vector<double> cost(states.size(), 1e30);
    cost[source] = 0;
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t i = 0; i < states.size(); ++i)
        for (auto [to, weight] : edges[i])
          if (cost[i] + weight < cost[to]) {
            cost[to] = cost[i] + weight;
            changed = true;
          }
    }
    return cost;
  }

private:
  void addEdges(size_t i) {
    int rank = std::max<int>(1, static_cast<int>(shape.size())); // an all_reduce has no dim
    std::vector<Axes> selections{{}};
    for (size_t s = 0; s < selections.size(); ++s)
      for (int axis = 0; axis < mesh.rank(); ++axis)
        if (!llvm::is_contained(selections[s], axis)) {
          Axes longer = selections[s];
          longer.push_back(axis);
          selections.push_back(longer);
        }
    for (size_t s = 1; s < selections.size(); ++s)
      for (StepKind kind :
           {StepKind::AllGather, StepKind::AllSlice, StepKind::AllReduce, StepKind::ReduceScatter, StepKind::AllToAll})
        for (int dim = 0; dim < rank; ++dim)
          for (int from = 0; from < rank; ++from)
            if (std::optional<Sharding> after = apply({kind, selections[s], from, dim, {}}, states[i]))
              addEdge(i, {kind, selections[s], from, dim, *after});
    for (const Sharding &other : states)
      if (other.partial == states[i].partial && other != states[i] &&
          localShape(shape, other, mesh) == localShape(shape, states[i], mesh) && !movesZigzag(states[i], other))
        addEdge(i, {StepKind::Permute, {}, -1, -1, other});
  }
  /// Whether a zigzag axis cuts another dim, or its parts have another size.
  bool movesZigzag(const Sharding &a, const Sharding &b) const {
    auto partOf = [&](const Sharding &sharding, int axis) {
      int dim = sharding.dimOf(axis);
      int64_t size = dim < 0 ? 0 : shape[dim];
      if (dim >= 0)
        for (int other : sharding.dims[dim]) {
          size /= mesh.sizes[other];
          if (other == axis)
            break;
        }
      return std::pair(dim, size);
    };
    return llvm::any_of(mesh.zigzag, [&](int axis) { return partOf(a, axis) != partOf(b, axis); });
  }
  void addEdge(size_t i, const Step &step) {
    if (divides(step.result, shape, mesh))
      edges[i].push_back({indexOf.at(step.result), sentElements(step, shape, states[i], mesh)});
  }

  const Mesh &mesh;
  std::vector<int64_t> shape;
  const std::vector<Sharding> &states;
  std::map<Sharding, size_t> indexOf;
  std::vector<std::vector<std::pair<size_t, double>>> edges;
};

struct Case {
  const char *name;
  std::vector<int64_t> mesh;
  int64_t scalars, vectors, matrices; ///< pairs of shardings
  std::vector<int> zigzag = {};
};

class ReshardTest : public ::testing::TestWithParam<Case> {
protected:
  Mesh mesh = meshOf(GetParam().mesh, GetParam().zigzag);
};

/// Checks every pair of shardings that divide `shape`; returns how many could be reached.
int64_t checkAllPairs(const Mesh &mesh, const std::vector<int64_t> &shape, ReduceKind kind) {
  int64_t pairs = 0;
  std::vector<Sharding> states = allShardings(mesh, static_cast<int>(shape.size()));
  llvm::erase_if(states, [&](const Sharding &state) { return !divides(state, shape, mesh); });
  Oracle oracle(mesh, shape, states);
  Ranks ranks(mesh, shape);
  ReshardPlanner planner(mesh);
  for (size_t source = 0; source < states.size(); ++source) {
    std::vector<double> cheapest = oracle.from(source);
    for (size_t target = 0; target < states.size(); ++target) {
      Sharding from = states[source], to = states[target];
      if (from.isPartial())
        from.kind = kind;
      if (to.isPartial())
        to.kind = kind;
      const auto &plan = planner.plan(from, to, shape);
      bool isLegal = llvm::all_of(to.partial, [&](int axis) { return llvm::is_contained(from.partial, axis); });
      if (!isLegal) {
        EXPECT_FALSE(plan) << "a complete value made partial, from state " << source << " to " << target;
        continue;
      }
      if (!plan) {
        ADD_FAILURE() << "no plan from state " << source << " to " << target;
        continue;
      }
      EXPECT_NEAR(plan->elements, cheapest[target], 1e-6) << "from state " << source << " to " << target;
      std::vector<Part> parts = ranks.parts(from, from), expected = ranks.parts(to, from);
      Sharding state = from;
      for (const Step &step : plan->steps) {
        parts = ranks.run(step, state, parts);
        state = step.result;
      }
      for (size_t i = 0; i < parts.size(); ++i)
        EXPECT_EQ(parts[i].values, expected[i].values) << "from state " << source << " to " << target;
      ++pairs;
    }
  }
  return pairs;
}

/// A size that every placement of axes divides.
int64_t lengthFor(const Mesh &mesh) {
  return std::accumulate(mesh.sizes.begin(), mesh.sizes.end(), int64_t(mesh.zigzag.empty() ? 1 : 2), std::multiplies());
}

TEST_P(ReshardTest, everyPairOfScalars) { EXPECT_EQ(checkAllPairs(mesh, {}, ReduceKind::Sum), GetParam().scalars); }
TEST_P(ReshardTest, everyPairOfVectors) {
  EXPECT_EQ(checkAllPairs(mesh, {lengthFor(mesh)}, ReduceKind::Sum), GetParam().vectors);
}
TEST_P(ReshardTest, everyPairOfMatrices) {
  EXPECT_EQ(checkAllPairs(mesh, {lengthFor(mesh), lengthFor(mesh)}, ReduceKind::Sum), GetParam().matrices);
}
TEST_P(ReshardTest, everyPairOfPartialMaxima) {
  EXPECT_EQ(checkAllPairs(mesh, {lengthFor(mesh)}, ReduceKind::Max), GetParam().vectors);
}
/// Not every step may be taken: one dim has room for one axis only.
TEST_P(ReshardTest, everyPairOfNarrowMatrices) {
  EXPECT_GT(checkAllPairs(mesh, {lengthFor(mesh), mesh.sizes[0]}, ReduceKind::Sum), 0);
}

// The numbers are those of pairs of ordered placements of axes on dims, copies or sums, the target partial over no axis
// that the source is not.
INSTANTIATE_TEST_SUITE_P(Meshes, ReshardTest,
                         ::testing::Values(Case{"m2", {2}, 3, 7, 13}, Case{"m4", {4}, 3, 7, 13},
                                           Case{"m2x2", {2, 2}, 9, 63, 223}, Case{"m2x4", {2, 4}, 9, 63, 223},
                                           Case{"m3x3", {3, 3}, 9, 63, 223}, Case{"m2x2x2", {2, 2, 2}, 27, 777, 5139},
                                           Case{"zigzag4", {4}, 3, 7, 13, {0}},
                                           Case{"zigzag3x2", {3, 2}, 9, 63, 223, {0}},
                                           Case{"m3xzigzag2", {3, 2}, 9, 63, 223, {1}}),
                         [](const auto &info) { return info.param.name; });

TEST(Reshard, partialBecomesCutInOneStep) {
  Mesh mesh = meshOf({4});
  Sharding from = Sharding::whole(2), to = Sharding::whole(2);
  from.addPartial(0);
  to.dims[1] = {0};
  ReshardPlanner planner(mesh);
  const auto &plan = planner.plan(from, to, {8, 8});
  ASSERT_TRUE(plan.has_value());
  ASSERT_EQ(plan->steps.size(), 1u);
  EXPECT_EQ(plan->steps[0].kind, StepKind::ReduceScatter);
}

TEST(Reshard, completeNeverBecomesPartial) {
  Mesh mesh = meshOf({2});
  Sharding to = Sharding::whole(1);
  to.addPartial(0);
  ReshardPlanner planner(mesh);
  EXPECT_FALSE(planner.plan(Sharding::whole(1), to, {4}).has_value());
}

TEST(Reshard, unequalPartsAreNeverMade) {
  Mesh mesh = meshOf({4});
  Sharding to = Sharding::whole(1);
  to.dims[0] = {0};
  ReshardPlanner planner(mesh);
  EXPECT_FALSE(planner.plan(Sharding::whole(1), to, {6}).has_value());
}

} // namespace
