//===- Partitioner.cpp - functions, calls, parameters -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "colo/Dialect/Colo/StepPhase.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static bool isParameterArgument(func::FuncOp func, unsigned i) {
  return static_cast<bool>(func.getArgAttr(i, kParamArgAttr));
}

/// A slice of a stacked value, and back: the leading dim counts layers and is
/// never cut.
static Sharding withoutLeadingDim(Sharding sharding) {
  sharding.dims.erase(sharding.dims.begin());
  return sharding;
}
static Sharding withLeadingDim(Sharding sharding) {
  sharding.dims.insert(sharding.dims.begin(), Axes());
  return sharding;
}

LogicalResult Partitioner::run() {
  OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
  SmallVector<StringRef> names(mesh.names.begin(), mesh.names.end());
  ArrayAttr zigzag = mesh.zigzag.empty() ? ArrayAttr() : mesh.nameAttr(builder.getContext(), mesh.zigzag);
  auto meshOp = builder.create<MeshOp>(module.getLoc(), mesh.symbol, builder.getStrArrayAttr(names),
                                       builder.getDenseI64ArrayAttr(mesh.sizes), zigzag);
  symbols.insert(meshOp);
  if (failed(checkSharedHeads()))
    return failure();
  // The training function settles the parameters; the others follow.
  // Functions without a role are partitioned where they are called.
  constexpr StringLiteral kAnyRole = "";
  for (StringRef role : {StringRef("entry"), StringRef(kAnyRole)})
    for (auto func : module.getOps<func::FuncOp>()) {
      auto known = func->getAttrOfType<StringAttr>(kRoleAttr);
      if (known && (role == kAnyRole || known.getValue() == role) && failed(partitionFunction(func)))
        return failure();
    }
  if (failed(settleRest()) || failed(settleGradients()))
    return failure();
  sinkReshards();
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult Partitioner::partitionFunction(func::FuncOp func) {
  if (signatures[func].isDone || func.isExternal())
    return success();
  signatures[func].isDone = true;
  for (BlockArgument arg : func.getArguments()) {
    if (isParameterArgument(func, arg.getArgNumber()))
      continue;
    const auto &arguments = signatures[func].arguments;
    settle(arg, arg.getArgNumber() < arguments.size() ? arguments[arg.getArgNumber()]
                                                      : Sharding::whole(typeOf(arg).getRank()));
  }
  // Ops that the pass inserts on the way are sharded as they are made.
  SmallVector<Operation *> ops;
  for (Operation &op : func.front())
    ops.push_back(&op);
  for (Operation *op : ops)
    if (failed(partitionOperation(op)))
      return failure();
  return success();
}

LogicalResult Partitioner::partitionOperation(Operation *op) {
  if (auto rule = dyn_cast<ShardingRuleOpInterface>(op))
    return partitionByFactors(op, rule);
  if (isa<LayersOp, CallOp>(op))
    return partitionCall(op);
  if (auto ret = dyn_cast<func::ReturnOp>(op))
    return partitionReturn(ret);
  if (auto grad = dyn_cast<GradOp>(op))
    return partitionGrad(grad);
  if (isa<InverseCountOp>(op)) {
    openComputations.insert(op);
    return success();
  }
  if (isa<ParamRefOp>(op))
    return success();
  if (isa<OutputOpInterface>(op))
    return setOperand(op->getOpOperand(0), Sharding::whole(typeOf(op->getOperand(0)).getRank()));
  return op->emitOpError("has no sharding rule");
}

LogicalResult Partitioner::partitionReturn(func::ReturnOp op) {
  Signature &signature = signatures[op->getParentOp()];
  for (OpOperand &operand : op->getOpOperands()) {
    Sharding sharding = completeLayoutOf(operand.get());
    if (operand.getOperandNumber() < signature.carried) {
      FailureOr<Sharding> canonical = boundary(op, operand.get().getType());
      if (failed(canonical))
        return failure();
      sharding = *canonical;
    }
    if (failed(setOperand(operand, sharding)))
      return failure();
    signature.results.push_back(sharding);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

/// The first call fixes what the arguments are: the boundary layout for values
/// that go from layer to layer, else what the operands are when complete.
LogicalResult Partitioner::fixSignature(Operation *call, func::FuncOp callee) {
  Signature signature;
  auto layers = dyn_cast<LayersOp>(call);
  if (!layers) {
    for (Value operand : call->getOperands())
      signature.arguments.push_back(completeLayoutOf(operand));
    signatures[callee] = signature;
    return success();
  }
  signature.carried = layers.getCarried().size();
  for (Value value : layers.getCarried()) {
    FailureOr<Sharding> canonical = boundary(call, value.getType());
    if (failed(canonical))
      return failure();
    signature.arguments.push_back(*canonical);
  }
  for (Value value : layers.getInvariants())
    signature.arguments.push_back(completeLayoutOf(value));
  for (Value value : layers.getStacked())
    signature.arguments.push_back(withoutLeadingDim(completeLayoutOf(value)));
  signatures[callee] = signature;
  return success();
}

/// Before a callee is partitioned its parameters take the layouts that are
/// settled; after it, those that it settled become the parameters'.
LogicalResult Partitioner::bindParameters(Operation *call, func::FuncOp callee, ArrayAttr names) {
  unsigned first = callee.getNumArguments() - names.size();
  for (auto [i, name] : llvm::enumerate(names.getAsRange<FlatSymbolRefAttr>())) {
    BlockArgument arg = callee.getArgument(first + i);
    auto known = parameters.find(name.getValue());
    auto used = layouts.find(arg);
    if (known == parameters.end()) {
      if (used != layouts.end())
        parameters[name.getValue()] = used->second;
    } else if (used == layouts.end()) {
      settle(arg, known->second);
    } else if (used->second != known->second) {
      InFlightDiagnostic diagnostic = call->emitError("parameter '")
                                      << name.getValue() << "' is cut in one way here and in another elsewhere";
      diagnostic.attachNote(callee.getLoc()) << "the function is compiled once for all its calls";
      return failure();
    }
  }
  return success();
}

LogicalResult Partitioner::partitionCall(Operation *call) {
  auto layers = dyn_cast<LayersOp>(call);
  StringRef name = layers ? layers.getCallee() : cast<CallOp>(call).getCallee();
  ArrayAttr names = layers ? layers.getParams() : cast<CallOp>(call).getParams();
  auto callee = symbols.lookup<func::FuncOp>(name);
  if (!callee)
    return call->emitOpError("calls no function: ") << name;
  if (!signatures[callee].isDone && failed(fixSignature(call, callee)))
    return failure();
  if (failed(bindParameters(call, callee, names)) || failed(partitionFunction(callee)) ||
      failed(bindParameters(call, callee, names)))
    return failure();

  const Signature signature = signatures[callee];
  unsigned firstStacked = layers ? layers.getCarried().size() + layers.getInvariants().size() : call->getNumOperands();
  for (OpOperand &operand : call->getOpOperands()) {
    Sharding sharding = signature.arguments[operand.getOperandNumber()];
    if (operand.getOperandNumber() >= firstStacked)
      sharding = withLeadingDim(sharding);
    if (failed(setOperand(operand, sharding)))
      return failure();
  }
  unsigned stackedResults =
      layers ? layers.getCarriedOut().size() + layers.getAccumulated().size() : call->getNumResults();
  for (OpResult result : call->getResults()) {
    const Sharding &sharding = signature.results[result.getResultNumber()];
    settle(result, result.getResultNumber() >= stackedResults ? withLeadingDim(sharding) : sharding);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Parameters and gradients
//===----------------------------------------------------------------------===//

/// A gradient is cut like its parameter; partial sums over other axes wait for
/// the reduction at the end of the step.
LogicalResult Partitioner::partitionGrad(GradOp op) {
  if (!layoutOf(op.getParam()))
    inLayout(op.getParam(), Sharding::whole(typeOf(op.getParam()).getRank()));
  Sharding sharding = *layoutOf(op.getParam());
  auto layout = layouts.find(op.getGradient());
  if (layout != layouts.end() && layout->second.kind == ReduceKind::Sum)
    for (int axis : layout->second.partial)
      if (!sharding.uses(axis))
        sharding.addPartial(axis);
  return setOperand(op->getOpOperand(0), sharding);
}

/// What no user settled is whole; functions that nobody calls disappear.
LogicalResult Partitioner::settleRest() {
  Builder builder(module.getContext());
  for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (!signatures[func].isDone)
      symbols.erase(func);
  for (auto func : module.getOps<func::FuncOp>()) {
    for (BlockArgument arg : func.getArguments())
      if (!layouts.count(arg))
        settle(arg, Sharding::whole(typeOf(arg).getRank()));
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(func.front()))) {
      if (op.getNumResults() != 1 || layouts.count(op.getResult(0)))
        continue;
      if (op.use_empty() && isPure(&op))
        op.erase();
      else
        inLayout(op.getResult(0), Sharding::whole(typeOf(op.getResult(0)).getRank()));
    }
    func.setFunctionType(
        builder.getFunctionType(func.front().getArgumentTypes(), func.front().getTerminator()->getOperandTypes()));
  }
  for (auto param : module.getOps<ParamOp>()) {
    auto known = parameters.find(param.getSymName());
    Sharding sharding =
        known != parameters.end() ? known->second : Sharding::whole(cast<RankedTensorType>(param.getType()).getRank());
    param.setType(withSharding(param.getType(), sharding, mesh));
  }
  return success();
}

/// A parameter's gradients are summed into one buffer, so they must be partial
/// over the same axes: those that all of them have in common. What is partial
/// over more is reduced where it is made. A function's gradients count for all
/// parameters that it is called with.
LogicalResult Partitioner::settleGradients() {
  llvm::DenseMap<Value, SmallVector<StringRef>> boundTo;
  module.walk([&](Operation *op) {
    if (auto ref = dyn_cast<ParamRefOp>(op))
      boundTo[ref.getResult()].push_back(ref.getParam());
    auto layers = dyn_cast<LayersOp>(op);
    if (!layers && !isa<CallOp>(op))
      return;
    auto callee = symbols.lookup<func::FuncOp>(layers ? layers.getCallee() : cast<CallOp>(op).getCallee());
    ArrayAttr names = layers ? layers.getParams() : cast<CallOp>(op).getParams();
    for (auto [i, name] : llvm::enumerate(names.getAsRange<FlatSymbolRefAttr>()))
      boundTo[callee.getArgument(callee.getNumArguments() - names.size() + i)].push_back(name.getValue());
  });
  auto originalOf = [&](Value value) {
    auto it = originals.find(value);
    return it == originals.end() ? value : it->second;
  };
  SmallVector<GradOp> grads;
  module.walk([&](GradOp grad) { grads.push_back(grad); });
  llvm::StringMap<Axes> common;
  auto intersect = [](Axes &axes, const Axes &other) {
    size_t before = axes.size();
    llvm::erase_if(axes, [&](int axis) { return !llvm::is_contained(other, axis); });
    return axes.size() != before;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (GradOp grad : grads) {
      Axes axes = layouts[grad.getGradient()].partial;
      ArrayRef<StringRef> names = boundTo[originalOf(grad.getParam())];
      for (StringRef name : names)
        if (auto it = common.find(name); it != common.end())
          intersect(axes, it->second);
      for (StringRef name : names) {
        auto [it, isNew] = common.try_emplace(name, axes);
        changed |= isNew || intersect(it->second, axes);
      }
    }
  }
  for (GradOp grad : grads) {
    Sharding sharding = layouts[grad.getGradient()];
    for (StringRef name : boundTo[originalOf(grad.getParam())])
      sharding.partial = common[name];
    if (failed(setOperand(grad->getOpOperand(0), sharding)))
      return failure();
  }
  for (auto param : module.getOps<ParamOp>())
    param.setReduceAttr(mesh.nameAttr(module.getContext(), common.lookup(param.getSymName())));
  return success();
}

/// A reshard stands right before its first user: gathered values are large and
/// live no longer than they must. It belongs to that user's phase.
void Partitioner::sinkReshards() {
  SmallVector<ReshardOp> reshards;
  module.walk([&](ReshardOp op) { reshards.push_back(op); });
  for (ReshardOp op : llvm::reverse(reshards)) {
    Operation *first = nullptr;
    for (Operation *user : op->getUsers())
      if (!first || user->isBeforeInBlock(first))
        first = user;
    if (!first) {
      op->erase();
      continue;
    }
    op->moveBefore(first);
    op->setLoc(inPhase(op->getLoc(), phaseOf(first->getLoc())));
  }
}
