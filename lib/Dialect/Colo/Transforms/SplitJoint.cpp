//===- SplitJoint.cpp - what is saved between forward and backward -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The backward half of a joint function reads values of the forward half. Each
// is, in this order of preference: an argument or result that the call site
// still has; computed again in the backward function (`shouldRecompute`); saved.
//
//===----------------------------------------------------------------------===//

#include "Differentiate.h"
#include "colo/Dialect/Colo/Hints.h"
#include "colo/Dialect/Colo/StepPhase.h"
#include "colo/Dialect/Colo/TensorBuilder.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;

/// Products and ops whose result depends on many elements: what they read and produce is worth keeping.
static bool isProduct(Operation *op) {
  return isa<EinsumOp, EmbeddingOp>(op) || (isa<DecomposeOpInterface>(op) && !isa<WeightedMeanOp>(op));
}

static bool isReadByProduct(Value value, const llvm::SmallPtrSetImpl<Operation *> &forwardOps) {
  return llvm::any_of(value.getUsers(), [&](Operation *user) {
    if (!forwardOps.contains(user))
      return false;
    return isProduct(user) || (isa<RearrangingOpInterface>(user) && isReadByProduct(user->getResult(0), forwardOps));
  });
}

/// A product and its bias, where nothing else reads the product: what a target whose products add biases writes.
static bool isBiasedProduct(Operation *op) {
  if (!isa<AddOp>(op) || op->hasAttr(kRecomputeAttr))
    return false;
  for (auto [made, added] : {std::pair(0, 1), {1, 0}}) {
    auto product = op->getOperand(made).getDefiningOp<EinsumOp>();
    if (product && product.getResult().hasOneUse() && biasOf(product, op->getOperand(added)))
      return true;
  }
  return false;
}

/// What a checkpoint marked is computed again. The default policy for all else: chains of elementwise ops, dropout
/// included, are computed again, up to what products read or produce; views, constants and positions always are. A
/// layer_norm's result is recomputed from its statistics.
static bool shouldRecompute(Value value, const llvm::SmallPtrSetImpl<Operation *> &forwardOps) {
  Operation *op = value.getDefiningOp();
  if (op->hasAttr(kRecomputeAttr) || isa<RearrangingOpInterface, ConstantOp, IotaOp, InverseCountOp, ParamRefOp>(op))
    return true;
  bool isNormalized = isa<LayerNormOp>(op) && value == op->getResult(0);
  if (isNormalized || isa<ScalarBodyOpInterface, RandomOp, DropoutOp, PadOp, ConcatOp>(op))
    return !isReadByProduct(value, forwardOps);
  return false;
}

namespace {
class Splitter {
public:
  Splitter(JointFunction &joint, func::FuncOp original) : joint(joint), original(original) {}

  void classify();
  Derivative build(SymbolTable &symbols);

private:
  void need(Value value);
  void dropRecomputable();
  void orderInputs(Derivative &derivative);
  func::FuncOp createFunction(StringRef suffix, TypeRange arguments, TypeRange results);
  void buildForward(Derivative &derivative);
  void buildBackward(Derivative &derivative);
  void materialize(Value value, OpBuilder &builder, IRMapping &mapping);

  Block &block() { return joint.func.front(); }
  bool isParameterArgument(unsigned i) { return static_cast<bool>(original.getArgAttr(i, kParamArgAttr)); }

  JointFunction &joint;
  func::FuncOp original;
  llvm::SmallSetVector<Value, 16> saved;
  llvm::SmallSetVector<unsigned, 8> passedArguments, passedResults;
  llvm::SmallDenseSet<Value> visited;
};
} // namespace

void Splitter::need(Value value) {
  if (!visited.insert(value).second)
    return;
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    unsigned i = arg.getArgNumber();
    if (i >= joint.numArguments || isParameterArgument(i))
      return;
    if (joint.signature.isCarriedArgument(i))
      saved.insert(value);
    else
      passedArguments.insert(i);
    return;
  }
  Operation *op = value.getDefiningOp();
  if (!joint.forwardOps.contains(op))
    return;
  if (!shouldRecompute(value, joint.forwardOps) || (joint.saveBiased && isBiasedProduct(op))) {
    auto result = llvm::find(joint.results, value);
    if (result != joint.results.end() && !joint.signature.inLayers)
      passedResults.insert(result - joint.results.begin());
    else
      saved.insert(value);
    return;
  }
  for (Value operand : op->getOperands())
    need(operand);
  if (auto norm = dyn_cast<LayerNormOp>(op); norm && !op->hasAttr(kRecomputeAttr)) {
    need(norm.getMean());
    need(norm.getRstd());
  }
}

void Splitter::classify() {
  for (Operation &op : block())
    if (!joint.forwardOps.contains(&op))
      for (Value operand : op.getOperands())
        need(operand);
  for (Value gradient : joint.gradients)
    need(gradient);
  dropRecomputable();
}

/// What a product reads is saved, but not where the backward function has all that one elementwise op makes it of: an
/// activation is computed again beside its derivative, from what the product before it produced.
void Splitter::dropRecomputable() {
  saved.remove_if([&](Value value) {
    Operation *op = value.getDefiningOp();
    return op && isa<ScalarBodyOpInterface>(op) &&
           llvm::all_of(op->getOperands(), [&](Value operand) { return visited.contains(operand); });
  });
}

void Splitter::orderInputs(Derivative &derivative) {
  const LayerSignature &signature = joint.signature;
  auto add = [&](BackwardInput::Source source, unsigned index, BackwardInput::Group group) {
    derivative.inputs.push_back({source, index, group});
  };
  SmallVector<unsigned> arguments = llvm::to_vector(passedArguments.getArrayRef());
  llvm::sort(arguments);
  for (unsigned i : joint.gradientResults)
    if (!signature.isStackedResult(i))
      add(BackwardInput::ResultGradient, i,
          signature.isCarriedArgument(i) ? BackwardInput::Carried : BackwardInput::Invariant);
  for (unsigned i : arguments)
    if (!signature.isStackedArgument(i))
      add(BackwardInput::Argument, i, BackwardInput::Invariant);
  for (unsigned i : passedResults)
    add(BackwardInput::Result, i, BackwardInput::Invariant);
  for (unsigned i : joint.gradientResults)
    if (signature.isStackedResult(i))
      add(BackwardInput::ResultGradient, i, BackwardInput::Stacked);
  for (unsigned i : arguments)
    if (signature.isStackedArgument(i))
      add(BackwardInput::Argument, i, BackwardInput::Stacked);
  for (unsigned i = 0; i < saved.size(); ++i)
    add(BackwardInput::Saved, i, BackwardInput::Stacked);
}

func::FuncOp Splitter::createFunction(StringRef suffix, TypeRange arguments, TypeRange results) {
  auto type = FunctionType::get(original.getContext(), arguments, results);
  auto func = func::FuncOp::create(original.getLoc(), (original.getSymName() + suffix).str(), type);
  func.setPrivate();
  return func;
}

void Splitter::buildForward(Derivative &derivative) {
  SmallVector<Value> results = joint.results;
  llvm::append_range(results, saved);
  func::FuncOp func = createFunction(".fwd", original.getArgumentTypes(), TypeRange(ValueRange(results)));
  Block *body = func.addEntryBlock();
  if (ArrayAttr attrs = original.getAllArgAttrs())
    func.setAllArgAttrs(attrs);
  IRMapping mapping;
  for (unsigned i = 0; i < joint.numArguments; ++i) {
    mapping.map(block().getArgument(i), body->getArgument(i));
    body->getArgument(i).setLoc(block().getArgument(i).getLoc());
  }
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (Operation &op : block())
    if (joint.forwardOps.contains(&op))
      builder.clone(op, mapping);
  SmallVector<Value> returned;
  for (Value value : results)
    returned.push_back(mapping.lookup(value));
  builder.create<func::ReturnOp>(original.getLoc(), returned);
  derivative.forward = func;
}

/// Clones the forward op of `value`, and what it reads, unless the backward function has it already.
void Splitter::materialize(Value value, OpBuilder &builder, IRMapping &mapping) {
  if (mapping.contains(value))
    return;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    materialize(operand, builder, mapping);
  auto norm = dyn_cast<LayerNormOp>(op);
  if (!norm || op->hasAttr(kRecomputeAttr)) {
    builder.clone(*op, mapping);
    return;
  }
  materialize(norm.getMean(), builder, mapping);
  materialize(norm.getRstd(), builder, mapping);
  TensorBuilder b(builder, op->getLoc());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(value);
  auto perRow = [&](Value statistic) { return b.broadcastTrailing(mapping.lookup(statistic), shape); };
  Value centred = b.sub(b.widen(mapping.lookup(norm.getInput())), perRow(norm.getMean()));
  mapping.map(value, b.convertLike(b.mul(centred, perRow(norm.getRstd())), value));
}

void Splitter::buildBackward(Derivative &derivative) {
  SmallVector<Value> sources; // in the joint function, of each argument
  for (const BackwardInput &input : derivative.inputs) {
    switch (input.source) {
    case BackwardInput::ResultGradient: {
      auto at = llvm::find(joint.gradientResults, input.index) - joint.gradientResults.begin();
      sources.push_back(block().getArgument(joint.numArguments + at));
      break;
    }
    case BackwardInput::Argument:
      sources.push_back(block().getArgument(input.index));
      break;
    case BackwardInput::Result:
      sources.push_back(joint.results[input.index]);
      break;
    case BackwardInput::Saved:
      sources.push_back(saved[input.index]);
      break;
    }
  }
  SmallVector<std::pair<unsigned, unsigned>> parameters; // argument here, argument of the original
  for (unsigned i = 0; i < joint.numArguments; ++i)
    if (isParameterArgument(i)) {
      parameters.push_back({static_cast<unsigned>(sources.size()), i});
      sources.push_back(block().getArgument(i));
    }

  func::FuncOp func = createFunction(".bwd", TypeRange(ValueRange(sources)), TypeRange(ValueRange(joint.gradients)));
  Block *body = func.addEntryBlock();
  IRMapping mapping;
  for (auto [source, argument] : llvm::zip(sources, body->getArguments())) {
    mapping.map(source, argument);
    argument.setLoc(source.getLoc());
  }
  for (auto [here, there] : parameters)
    func.setArgAttrs(here, original.getArgAttrDict(there));
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (Operation &op : block()) {
    if (joint.forwardOps.contains(&op))
      continue;
    for (Value operand : op.getOperands())
      materialize(operand, builder, mapping);
    builder.clone(op, mapping);
  }
  SmallVector<Value> returned;
  for (Value gradient : joint.gradients) {
    materialize(gradient, builder, mapping);
    returned.push_back(mapping.lookup(gradient));
  }
  builder.create<func::ReturnOp>(original.getLoc(), returned);
  for (Operation &op : *body)
    op.setLoc(inPhase(op.getLoc(), StepPhase::Backward));
  derivative.backward = func;
}

Derivative Splitter::build(SymbolTable &symbols) {
  Derivative derivative;
  derivative.gradientArguments = joint.gradientArguments;
  orderInputs(derivative);
  buildForward(derivative);
  buildBackward(derivative);
  Block::iterator after = std::next(Block::iterator(original));
  symbols.insert(derivative.forward, after);
  symbols.insert(derivative.backward, after);
  removeDeadOps(derivative.forward, symbols);
  removeDeadOps(derivative.backward, symbols);
  return derivative;
}

Derivative colo::splitJoint(JointFunction &joint, func::FuncOp original, SymbolTable &symbols) {
  // Gradients that nobody asked for must not keep values alive.
  OpBuilder builder = OpBuilder::atBlockEnd(&joint.func.front());
  SmallVector<Value> kept = joint.results;
  llvm::append_range(kept, joint.gradients);
  auto anchor = builder.create<func::ReturnOp>(original.getLoc(), kept);
  removeDeadOps(joint.func, symbols);
  anchor.erase();

  Splitter splitter(joint, original);
  splitter.classify();
  return splitter.build(symbols);
}
