//===- Products.cpp - products that the mode fixes as a whole ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mode may say how a product with a parameter, or one that makes the gradient
// of a parameter, divides its work and where the result lives. Operands are
// brought to what the work needs, the result is brought to its place at once.
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static bool has(const TensorFactors &dims, int factor) { return dimOfFactor(dims, factor) >= 0; }

/// The parameter whose gradient a value is, views in between followed.
static Value parameterOfGradient(Value value) {
  for (Operation *user : value.getUsers()) {
    if (auto grad = dyn_cast<GradOp>(user))
      return grad.getParam();
    if (isa<TransposeOp, ReshapeOp, ConvertOp>(user))
      if (Value parameter = parameterOfGradient(user->getResult(0)))
        return parameter;
  }
  return {};
}

/// Whether a lookup of the same function reads rows of the parameter behind `value`.
static bool isLookedUp(Value value) {
  Value parameter = value ? parameterBehind(value) : Value();
  if (!parameter)
    return false;
  auto isSame = [&](Value table) {
    Value other = parameterBehind(table);
    auto ref = parameter.getDefiningOp<ParamRefOp>();
    auto otherRef = other ? other.getDefiningOp<ParamRefOp>() : ParamRefOp();
    return other == parameter || (ref && otherRef && ref.getParam() == otherRef.getParam());
  };
  auto function = parameter.getParentRegion()->getParentOfType<func::FuncOp>();
  return function
      .walk([&](EmbeddingOp lookup) {
        return isSame(lookup.getTable()) ? WalkResult::interrupt() : WalkResult::advance();
      })
      .wasInterrupted();
}

/// Settles the parameter behind a view so that the view has `sharding`.
void Partitioner::keepParameter(Value value, Sharding sharding) {
  Value parameter = parameterBehind(value);
  for (; value != parameter; value = value.getDefiningOp()->getOperand(0)) {
    FactorMap map = cast<ShardingRuleOpInterface>(value.getDefiningOp()).getFactorMap();
    if (auto axes = factorAxes(sharding, map, map.results[0], mesh))
      if (auto before = operandSharding({*axes, {}, 0}, map, 0, mesh))
        sharding = *before;
  }
  settle(parameter, sharding);
}

/// Every factor must be a multiple of the ranks that divide it.
LogicalResult Partitioner::checkDivides(Operation *op, const FactorMap &map, const ProductUse &use,
                                        const ProductPlan &plan) {
  Value parameter = use.isGradient() ? Value() : op->getOperand(use.operand);
  for (const FactorAxes *cuts : {&plan.parameter, &plan.result, &plan.work})
    for (auto [factor, axes] : llvm::enumerate(*cuts)) {
      int64_t size = map.factors[factor].size;
      if (size % mesh.granule(axes) == 0)
        continue;
      int index = static_cast<int>(factor);
      if (parameter && use.isInParameter(index))
        return emitIndivisible(op, parameter, dimOfFactor(use.parameter, index), size, axes);
      Value tensor = has(map.results[0], index) ? op->getResult(0) : op->getOperand(0);
      int64_t dim = dimOfFactor(has(map.results[0], index) ? map.results[0] : map.operands[0], index);
      InFlightDiagnostic diagnostic = emitMisfit(op, size, axes)
                                      << "dim " << dim << " of " << withoutEncoding(tensor.getType()) << ", " << size
                                      << ", must be " << mesh.describeMultiple(axes);
      diagnostic.attachNote() << describeLegalSizes(size, axes);
      return diagnostic;
    }
  return success();
}

FailureOr<std::optional<ProductPlan>> Partitioner::planProduct(Operation *op, const FactorMap &map) {
  if (!isProductOrLookup(op) || op->getNumResults() != 1)
    return std::optional<ProductPlan>();
  SmallVector<int, 2> indices;
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (parameterBehind(operand))
      indices.push_back(static_cast<int>(i));
  std::optional<Sharding> layout = gradientLayout(op->getResult(0));
  // Of two parameters, or of one for the gradient of another: there are no rows of the batch.
  if (indices.size() + layout.has_value() != 1)
    return std::optional<ProductPlan>();
  int index = indices.empty() ? -1 : indices.front();
  if (index >= 0)
    layout = layoutOf(op->getOperand(index));
  auto survivesIt = [&](int factor) { return factorSurvives(op, map, factor); };
  bool isTable = isLookedUp(index >= 0 ? op->getOperand(index) : parameterOfGradient(op->getResult(0)));
  ProductUse use{map, mesh, index >= 0 ? map.operands[index] : map.results[0], index, {}, {}, survivesIt, isTable};
  if (layout)
    use.held = factorAxes(*layout, map, use.parameter, mesh);
  for (auto [operand, dims] : llvm::zip(op->getOperands(), map.operands)) {
    std::optional<Sharding> known = layoutOf(operand);
    use.operands.push_back(known ? factorAxes(known->complete(), map, dims, mesh) : std::nullopt);
  }
  std::optional<ProductPlan> plan = policy.planProduct(use);
  if (!plan)
    return plan;
  if (failed(checkDivides(op, map, use, *plan)))
    return failure();
  if (index >= 0 && !layout)
    keepParameter(op->getOperand(index), *shardingUnder({plan->parameter, {}, 0}, map, use.parameter, mesh));
  return plan;
}

LogicalResult Partitioner::partitionAsPlanned(Operation *op, const FactorMap &map, const ProductPlan &plan) {
  std::optional<Candidate> candidate = evaluate(op, map, {plan.work, {}, 0});
  if (!candidate)
    return op->emitError("cannot be cut as its parameters are");
  if (plan.summa)
    op->setAttr(kAlgorithmAttr, StringAttr::get(op->getContext(), "summa"));
  for (OpOperand &operand : op->getOpOperands())
    if (failed(setOperand(operand, candidate->operands[operand.getOperandNumber()])))
      return failure();
  Value result = op->getResult(0);
  settle(result, candidate->results[0]);
  if (plan.result.empty())
    return success();
  std::optional<Sharding> home = shardingUnder({plan.result, {}, 0}, map, map.results[0], mesh);
  if (!home || *home == candidate->results[0])
    return success();
  moveTo(result, *home);
  return success();
}
