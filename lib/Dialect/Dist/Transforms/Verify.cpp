//===- Verify.cpp - a sharded program computes the global one ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Assignment.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace colo::dist {
#define GEN_PASS_DEF_VERIFYPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

namespace {
class Verifier {
public:
  Verifier(ModuleOp module, Mesh mesh) : module(module), mesh(std::move(mesh)) {}

  LogicalResult run() {
    for (auto func : module.getOps<func::FuncOp>())
      for (BlockArgument arg : func.getArguments())
        if (failed(verifyType(func, arg.getType())))
          return failure();
    WalkResult result = module.walk([&](Operation *op) {
      for (Type type : op->getResultTypes())
        if (failed(verifyType(op, type)))
          return WalkResult::interrupt();
      return failed(verifyOp(op)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

private:
  Sharding shardingIn(Value value) { return *shardingOf(value.getType(), mesh); }

  LogicalResult verifyType(Operation *op, Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return success();
    if (!isa_and_nonnull<ShardAttr>(tensor.getEncoding()))
      return op->emitOpError("has a value without a sharding: ") << type;
    std::optional<Sharding> sharding = shardingOf(type, mesh);
    if (!sharding)
      return op->emitOpError("names an axis that the mesh does not have: ") << type;
    for (auto [dim, axes] : llvm::enumerate(sharding->dims))
      if (tensor.getDimSize(dim) % mesh.granule(axes) != 0)
        return op->emitOpError("cuts dim ")
               << dim << " of " << type << " into " << mesh.groupSize(axes) << " parts of unequal size";
    return success();
  }

  LogicalResult verifyOp(Operation *op) {
    if (auto rule = dyn_cast<ShardingRuleOpInterface>(op))
      return verifyFactors(op, rule.getFactorMap());
    if (auto grad = dyn_cast<GradOp>(op))
      return verifyGrad(grad);
    if (isa<ReshardOp>(op))
      return op->emitOpError("must be expanded into collectives");
    if (isa<func::ReturnOp, LayersOp, CallOp, OutputOpInterface>(op))
      for (Value operand : op->getOperands())
        if (shardingIn(operand).isPartial())
          return op->emitOpError("needs a complete value, not ") << operand.getType();
    return success();
  }

  LogicalResult verifyGrad(GradOp op) {
    Sharding gradient = shardingIn(op.getGradient()), param = shardingIn(op.getParam());
    if (gradient.complete() != param)
      return op.emitOpError("has a gradient cut otherwise than its parameter: ")
             << op.getGradient().getType() << " and " << op.getParam().getType();
    auto ref = op.getParam().getDefiningOp<ParamRefOp>();
    auto symbol = ref ? SymbolTable(module).lookup<ParamOp>(ref.getParam()) : ParamOp();
    if (symbol && symbol.getReduceAttr() != mesh.nameAttr(op.getContext(), gradient.partial))
      return op.emitOpError("has a gradient partial over ")
             << mesh.nameAttr(op.getContext(), gradient.partial) << ", its parameter reduces over "
             << symbol.getReduceAttr();
    return success();
  }

  /// One assignment of axes to factors must explain every operand and result.
  LogicalResult verifyFactors(Operation *op, const FactorMap &map) {
    Assignment assignment;
    assignment.factors.resize(map.factors.size());
    auto collect = [&](Value value, const TensorFactors &dims) -> LogicalResult {
      auto axes = factorAxes(shardingIn(value), map, dims, mesh);
      if (!axes)
        return op->emitOpError("cuts a dim across its factors: ") << value.getType();
      for (auto [known, cut] : llvm::zip(assignment.factors, *axes))
        if (!cut.empty())
          known = cut;
      return success();
    };
    for (auto [value, dims] : llvm::zip(op->getOperands(), map.operands))
      if (failed(collect(value, dims)))
        return failure();
    for (auto [value, dims] : llvm::zip(op->getResults(), map.results))
      if (failed(collect(value, dims)))
        return failure();
    std::optional<Ring> ring = ringOf(map);
    for (auto [factor, axes] : llvm::zip(map.factors, assignment.factors))
      if (!axes.empty() && !isCuttable(factor.kind) &&
          (factor.kind != FactorKind::Ring || assignment.factors[ring->rows] != axes))
        return op->emitOpError("needs a whole dim that is cut over \"") << mesh.names[axes.front()] << "\"";
    if (failed(collectPartials(op, map, assignment)))
      return failure();
    for (auto [i, value] : llvm::enumerate(op->getOperands()))
      if (operandSharding(assignment, map, i, mesh) != shardingIn(value))
        return op->emitOpError("has an operand that its factors do not explain: ") << value.getType();
    for (auto [i, value] : llvm::enumerate(op->getResults()))
      if (resultSharding(assignment, map, i, mesh) != shardingIn(value))
        return op->emitOpError("has a result that does not follow from its operands: ") << value.getType();
    return success();
  }

  LogicalResult collectPartials(Operation *op, const FactorMap &map, Assignment &assignment) {
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      Sharding sharding = shardingIn(operand);
      if (!sharding.isPartial())
        continue;
      if (!(map.linearOperands >> i & 1) || sharding.kind != ReduceKind::Sum)
        return op->emitOpError("needs a complete value, not ") << operand.getType();
      if (assignment.carriers && (!map.allPartialAlike || assignment.carried != sharding.partial))
        return op->emitOpError("adds or multiplies values that are partial in different ways");
      assignment.carried = sharding.partial;
      assignment.carriers |= 1u << i;
    }
    if (assignment.carriers && map.allPartialAlike && assignment.carriers != map.linearOperands)
      return op->emitOpError("mixes a partial with a complete value");
    return success();
  }

  ModuleOp module;
  Mesh mesh;
};

struct VerifyPass : public dist::impl::VerifyPassBase<VerifyPass> {
  void runOnOperation() override {
    if (std::optional<Mesh> mesh = findMesh(getOperation()))
      if (failed(Verifier(getOperation(), *mesh).run()))
        signalPassFailure();
  }
};
} // namespace
