//===- ReshardToCollectives.cpp - reshards as collectives -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_RESHARDTOCOLLECTIVESPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

namespace {
/// Emits the plan of one reshard. After each step the value has the sharding
/// that the step says; after the last, the reshard's.
class Expansion {
public:
  Expansion(ReshardOp op, const Mesh &mesh) : builder(op), loc(op.getLoc()), mesh(mesh), value(op.getInput()) {}

  Value emit(const ReshardPlanner::Plan &plan, Sharding state) {
    for (const Step &step : plan.steps) {
      value = emitStep(step, state);
      state = step.result;
    }
    return value;
  }

private:
  Value emitStep(const Step &step, const Sharding &state) {
    Type type = withSharding(value.getType(), step.result, mesh);
    ArrayAttr axes = mesh.nameAttr(builder.getContext(), step.axes);
    switch (step.kind) {
    case StepKind::AllGather:
      return builder.create<AllGatherOp>(loc, type, value, step.dim, mesh.symbol, axes);
    case StepKind::AllSlice:
      return builder.create<AllSliceOp>(loc, type, value, step.dim, mesh.symbol, axes, DenseI64ArrayAttr());
    case StepKind::AllReduce:
      return builder.create<AllReduceOp>(loc, TypeRange(type), ValueRange(value), state.kind, mesh.symbol, axes)
          .getOutputs()
          .front();
    case StepKind::ReduceScatter:
      return builder.create<ReduceScatterOp>(loc, type, value, state.kind, step.dim, mesh.symbol, axes);
    case StepKind::AllToAll:
      return builder.create<AllToAllOp>(loc, type, value, step.from, step.dim, mesh.symbol, axes);
    case StepKind::Permute: {
      SmallVector<int64_t> sources = permuteSources(state, step.result, step.axes, mesh);
      return builder.create<PermuteOp>(loc, type, value, sources, mesh.symbol, axes);
    }
    }
    llvm_unreachable("every kind of step has its op");
  }

  OpBuilder builder;
  Location loc;
  const Mesh &mesh;
  Value value;
};

struct ReshardToCollectivesPass : public dist::impl::ReshardToCollectivesPassBase<ReshardToCollectivesPass> {
  void runOnOperation() override {
    std::optional<Mesh> mesh = findMesh(getOperation());
    if (!mesh)
      return;
    ReshardPlanner planner(*mesh);
    WalkResult result = getOperation().walk([&](ReshardOp op) {
      std::optional<Sharding> from = shardingOf(op.getInput().getType(), *mesh);
      std::optional<Sharding> to = shardingOf(op.getResult().getType(), *mesh);
      if (!from || !to) {
        op.emitOpError("names an axis that the mesh does not have");
        return WalkResult::interrupt();
      }
      const auto &plan = planner.plan(*from, *to, op.getInput().getType().getShape());
      if (!plan) {
        op.emitOpError("has no sequence of collectives from ")
            << op.getInput().getType() << " to " << op.getResult().getType();
        return WalkResult::interrupt();
      }
      op.getResult().replaceAllUsesWith(Expansion(op, *mesh).emit(*plan, *from));
      op.erase();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
