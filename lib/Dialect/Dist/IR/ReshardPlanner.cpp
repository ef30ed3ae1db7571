//===- ReshardPlanner.cpp - the cheapest collectives between shardings -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Sharding.h"
#include <set>

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// Calls `visit` with every non-empty ordered selection of `axes`.
template <typename Visit> static void forEachOrder(ArrayRef<int> axes, Axes &chosen, Visit visit) {
  for (int axis : axes) {
    if (llvm::is_contained(chosen, axis))
      continue;
    chosen.push_back(axis);
    visit(chosen);
    forEachOrder(axes, chosen, visit);
    chosen.pop_back();
  }
}

/// Calls `visit` with every sharding that differs from `state` in the places
/// of its axes only, and whose parts have the same shape.
template <typename Visit> static void forEachRelabelling(const Sharding &state, const Mesh &mesh, Visit visit) {
  SmallVector<int64_t> parts;
  Axes usable;
  for (const Axes &axes : state.dims)
    parts.push_back(mesh.groupSize(axes));
  for (int axis = 0; axis < mesh.rank(); ++axis)
    if (!llvm::is_contained(state.partial, axis))
      usable.push_back(axis);
  Sharding relabelled = state;
  auto fill = [&](auto &self, size_t dim, int64_t missing) -> void {
    if (missing == 1) {
      if (dim + 1 == parts.size())
        return visit(relabelled);
      self(self, dim + 1, parts[dim + 1]);
      return;
    }
    for (int axis : usable) {
      if (relabelled.dimOf(axis) >= 0 || missing % mesh.sizes[axis] != 0)
        continue;
      relabelled.dims[dim].push_back(axis);
      self(self, dim, missing / mesh.sizes[axis]);
      relabelled.dims[dim].pop_back();
    }
  };
  for (Axes &axes : relabelled.dims)
    axes.clear();
  if (!parts.empty())
    fill(fill, 0, parts[0]);
}

/// The steps out of `state`, in an order that does not depend on anything else
/// than the arguments. An axis that holds copies may be worth cutting along even
/// if the target does not: what travels over other axes becomes smaller.
std::vector<Step> ReshardPlanner::steps(const Sharding &state, const Sharding &target, ArrayRef<int64_t> shape) const {
  std::vector<Step> result;
  auto add = [&](StepKind kind, Axes axes, int from, int dim, Sharding relabelled = {}) {
    Step step{kind, std::move(axes), from, dim, std::move(relabelled)};
    std::optional<Sharding> after = apply(step, state);
    if (!after || !divides(*after, shape, mesh))
      return;
    step.result = std::move(*after);
    result.push_back(std::move(step));
  };
  int rank = static_cast<int>(state.dims.size());
  Axes freeAxes, resolvable, chosen;
  for (int axis = 0; axis < mesh.rank(); ++axis)
    if (!state.uses(axis))
      freeAxes.push_back(axis);
  for (int axis : state.partial)
    if (!llvm::is_contained(target.partial, axis))
      resolvable.push_back(axis);

  for (int dim = 0; dim < rank; ++dim) {
    forEachOrder(resolvable, chosen, [&](const Axes &axes) { add(StepKind::ReduceScatter, axes, -1, dim); });
    forEachOrder(freeAxes, chosen, [&](const Axes &axes) { add(StepKind::AllSlice, axes, -1, dim); });
    ArrayRef<int> held = state.dims[dim];
    for (size_t count = 1; count <= held.size(); ++count) {
      Axes minor(held.take_back(count));
      add(StepKind::AllGather, minor, -1, dim);
      for (int to = 0; to < rank; ++to)
        if (to != dim)
          add(StepKind::AllToAll, minor, dim, to);
    }
  }
  forEachOrder(resolvable, chosen, [&](const Axes &axes) {
    if (llvm::is_sorted(axes))
      add(StepKind::AllReduce, axes, -1, -1);
  });
  if (mesh.rank() > 1)
    forEachRelabelling(state, mesh, [&](const Sharding &relabelled) {
      // Parts of a zigzag axis are no parts of another.
      Axes moved = permutedAxes(state, relabelled, mesh);
      if (relabelled != state && llvm::none_of(moved, [&](int axis) { return mesh.isZigzag(axis); }))
        add(StepKind::Permute, moved, -1, -1, relabelled);
    });
  return result;
}

std::optional<ReshardPlanner::Plan> ReshardPlanner::search(const Sharding &from, const Sharding &to,
                                                           ArrayRef<int64_t> shape) const {
  struct Reached {
    double elements;
    int count;
    std::optional<Step> last;
    Sharding previous;
  };
  std::map<Sharding, Reached> best;
  // Ordered by cost, then by the number of steps, then by the state itself: the
  // same plan on every machine.
  std::set<std::tuple<double, int, Sharding>> open;
  best[from] = {0, 0, std::nullopt, {}};
  open.insert({0, 0, from});
  while (!open.empty()) {
    auto [elements, count, state] = *open.begin();
    open.erase(open.begin());
    if (state == to)
      break;
    for (Step &step : steps(state, to, shape)) {
      double total = elements + sentElements(step, shape, state, mesh);
      // No step is free of both: what is no better than a known way to the target is on no better way.
      auto target = best.find(to);
      if (target != best.end() &&
          std::tie(target->second.elements, target->second.count) <= std::make_tuple(total, count + 1))
        continue;
      auto it = best.find(step.result);
      if (it != best.end() && std::tie(it->second.elements, it->second.count) <= std::make_tuple(total, count + 1))
        continue;
      if (it != best.end())
        open.erase({it->second.elements, it->second.count, step.result});
      Sharding reached = step.result;
      best[reached] = {total, count + 1, std::move(step), state};
      open.insert({total, count + 1, reached});
    }
  }
  auto it = best.find(to);
  if (it == best.end())
    return std::nullopt;
  Plan plan;
  plan.elements = it->second.elements;
  for (; it->second.last; it = best.find(it->second.previous))
    plan.steps.push_back(*it->second.last);
  std::reverse(plan.steps.begin(), plan.steps.end());
  return plan;
}

const std::optional<ReshardPlanner::Plan> &ReshardPlanner::plan(const Sharding &from, const Sharding &to,
                                                                ArrayRef<int64_t> shape) {
  auto [it, isNew] = known.try_emplace({from, to, {shape.begin(), shape.end()}});
  if (isNew && (from.kind == to.kind || to.partial.empty()))
    it->second = search(from, to, shape);
  return it->second;
}
