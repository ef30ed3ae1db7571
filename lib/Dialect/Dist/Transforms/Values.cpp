//===- Values.cpp - layouts of values: settled, open, copied ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static bool isParameter(Value value) {
  if (auto arg = dyn_cast<BlockArgument>(value))
    return static_cast<bool>(
        cast<func::FuncOp>(arg.getOwner()->getParentOp()).getArgAttr(arg.getArgNumber(), kParamArgAttr));
  return isa<ParamRefOp>(value.getDefiningOp());
}

bool Partitioner::isOpen(Value value) const {
  if (Operation *op = value.getDefiningOp())
    if (openComputations.contains(op))
      return true;
  return isParameter(value);
}

/// A broadcast repeats its operand along new dims: that is cheap in any layout,
/// and large as a whole.
bool Partitioner::isOpenComputation(Operation *op, const FactorMap &map) {
  if (isa<colo::BroadcastOp>(op))
    return true;
  if (op->getNumResults() != 1 || isa<CostOpInterface>(op) || !isPure(op))
    return false;
  for (const Factor &factor : map.factors)
    if (factor.kind != FactorKind::Parallel)
      return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) { return isOpen(operand); });
}

/// The layout of a settled value; of an open one what its operands' layouts
/// amount to, if any of them is settled.
std::optional<Sharding> Partitioner::layoutOf(Value value) {
  auto it = layouts.find(value);
  if (it != layouts.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (auto ref = dyn_cast<ParamRefOp>(op)) {
    auto known = parameters.find(ref.getParam());
    if (known == parameters.end())
      return std::nullopt;
    settle(value, known->second);
    return known->second;
  }
  auto rule = dyn_cast<ShardingRuleOpInterface>(op);
  if (!rule)
    return std::nullopt;
  FactorMap map = rule.getFactorMap();
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (std::optional<Sharding> layout = layoutOf(operand))
      if (auto axes = factorAxes(*layout, map, map.operands[i], mesh))
        if (auto result = resultSharding({*axes, {}, 0}, map, 0, mesh))
          return result;
  return std::nullopt;
}

/// How a value crosses a call: as it is held, partial sums scattered where the
/// mode scatters them, else reduced. Open values cross whole.
Sharding Partitioner::completeLayoutOf(Value value) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  std::optional<Sharding> layout = isOpen(value) ? std::nullopt : layoutOf(value);
  if (!layout)
    return Sharding::whole(static_cast<int64_t>(shape.size()));
  Sharding complete = layout->complete();
  for (int axis : layout->partial) {
    Sharding scattered = complete;
    int dim = policy.scatterDim(shape, mesh.names[axis]);
    if (dim >= 0)
      scattered.dims[dim].push_back(axis);
    if (divides(scattered, shape, mesh))
      complete = scattered;
  }
  return complete;
}

void Partitioner::settle(Value value, const Sharding &sharding) {
  layouts[value] = sharding;
  value.setType(withSharding(value.getType(), sharding, mesh));
  if (auto ref = value.getDefiningOp<ParamRefOp>())
    parameters.try_emplace(ref.getParam(), sharding);
}

/// An assignment that makes result 0 of an open computation as `sharding`, if
/// there is one.
static std::optional<Assignment> assignmentFor(const FactorMap &map, const Sharding &sharding, const Mesh &mesh) {
  auto axes = factorAxes(sharding, map, map.results[0], mesh);
  if (!axes)
    return std::nullopt;
  Assignment assignment{*axes, {}, 0};
  for (unsigned i = 0; i < map.operands.size(); ++i)
    if (!operandSharding(assignment, map, i, mesh))
      return std::nullopt;
  return assignment;
}

double Partitioner::bytesToReach(Value value, const Sharding &sharding, int &collectives) {
  auto type = cast<RankedTensorType>(value.getType());
  auto it = layouts.find(value);
  Operation *op = value.getDefiningOp();
  if (op && openComputations.contains(op)) {
    auto rule = dyn_cast<ShardingRuleOpInterface>(op);
    if (!rule || op->getNumOperands() == 0)
      return 0;
    FactorMap map = rule.getFactorMap();
    if (std::optional<Assignment> assignment = assignmentFor(map, sharding, mesh)) {
      double bytes = 0;
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        bytes += bytesToReach(operand, *operandSharding(*assignment, map, i, mesh), collectives);
      return bytes;
    }
  }
  if (it == layouts.end() && !layoutOf(value))
    return 0;
  const Sharding from = *layoutOf(value);
  auto copy = copies.find(value);
  if (from == sharding || (copy != copies.end() && copy->second.count(sharding)))
    return 0;
  const auto &plan = planner.plan(from, sharding, type.getShape());
  if (!plan)
    return std::numeric_limits<double>::infinity();
  for (const Step &step : plan->steps)
    collectives += step.kind != StepKind::AllSlice;
  return plan->elements * std::max(1u, type.getElementTypeBitWidth() / 8);
}

Value Partitioner::compute(Operation *op, const Sharding &sharding) {
  Value value = op->getResult(0);
  std::optional<Assignment> assignment;
  FactorMap map;
  if (auto rule = dyn_cast<ShardingRuleOpInterface>(op)) {
    map = rule.getFactorMap();
    assignment = assignmentFor(map, sharding, mesh);
  }
  bool isFirst = !layouts.count(value);
  if (!assignment && op->getNumOperands() > 0 && !sharding.isWhole())
    return nullptr;
  Operation *target = op;
  if (!isFirst) {
    OpBuilder builder(op->getContext());
    builder.setInsertionPointAfter(op);
    target = builder.clone(*op);
    // A clone starts from the original's operands, which may be other copies.
    openComputations.insert(target);
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    Value source = operand;
    if (auto original = originals.find(operand); original != originals.end())
      source = original->second;
    target->setOperand(i, inLayout(source, *operandSharding(*assignment, map, i, mesh)));
  }
  if (target != op)
    originals[target->getResult(0)] = value;
  settle(target->getResult(0), sharding);
  return target->getResult(0);
}

/// The value in a layout: itself, an earlier copy, a second computation, or a
/// reshard right after the definition, where it serves all later users.
Value Partitioner::inLayout(Value value, const Sharding &sharding) {
  auto layout = layouts.find(value);
  bool isSettled = layout != layouts.end();
  if (isSettled && layout->second == sharding)
    return value;
  auto &known = copies[value];
  if (auto it = known.find(sharding); it != known.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  if (op && openComputations.contains(op)) {
    if (Value computed = compute(op, sharding)) {
      if (computed != value)
        copies[value][sharding] = computed;
      return computed;
    }
    if (!isSettled)
      compute(op, Sharding::whole(cast<RankedTensorType>(value.getType()).getRank()));
  } else if (!layoutOf(value)) {
    settle(value, sharding);
  }
  if (layouts[value] == sharding)
    return value;
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  auto reshard = builder.create<ReshardOp>(value.getLoc(), withSharding(value.getType(), sharding, mesh), value);
  layouts[reshard] = sharding;
  originals[reshard] = value;
  copies[value][sharding] = reshard;
  return reshard;
}

/// From here on the value is what has arrived; what was settled has no other user.
void Partitioner::moveTo(Value value, const Sharding &sharding) {
  Value arrived = inLayout(value, sharding);
  value.replaceAllUsesExcept(arrived, arrived.getDefiningOp());
  originals.erase(arrived);
}

LogicalResult Partitioner::setOperand(OpOperand &operand, const Sharding &sharding) {
  Value value = operand.get();
  operand.set(inLayout(value, sharding));
  auto layout = layouts.find(value);
  if (operand.get() == value || !operand.get().getDefiningOp<ReshardOp>())
    return success();
  if (planner.plan(layout->second, sharding, cast<RankedTensorType>(value.getType()).getShape()))
    return success();
  return operand.getOwner()->emitOpError("needs operand ")
         << operand.getOperandNumber() << " as " << operand.get().getType() << ", which cannot be made of "
         << value.getType();
}

FailureOr<Sharding> Partitioner::boundary(Operation *at, Type type) {
  auto tensor = cast<RankedTensorType>(type);
  Sharding sharding = policy.boundary(tensor.getShape(), mesh);
  for (auto [dim, axes] : llvm::enumerate(sharding.dims)) {
    int64_t size = tensor.getDimSize(dim);
    if (size % mesh.granule(axes) == 0)
      continue;
    InFlightDiagnostic diagnostic = emitMisfit(at, size, axes)
                                    << "dim " << dim << " of a value between layers, " << withoutEncoding(type)
                                    << ", must be " << mesh.describeMultiple(axes);
    diagnostic.attachNote() << "it is " << size << "; " << describeLegalSizes(size, axes);
    return failure();
  }
  return sharding;
}
