//===- Differentiate.cpp - derivatives of functions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A function's derivative serves all its call sites: it takes a gradient of
// every result that is active at one of them (zeros where a site has none).
//
//===----------------------------------------------------------------------===//

#include "Differentiate.h"
#include "colo/Dialect/Colo/StepPhase.h"
#include "colo/Dialect/Colo/TensorBuilder.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace colo;

static LayerSignature signatureOf(LayersOp op) {
  LayerSignature signature;
  signature.inLayers = true;
  signature.numCarried = op.getCarried().size();
  signature.numInvariants = op.getInvariants().size();
  signature.numStacked = op.getStacked().size();
  signature.numAccumulated = op.getAccumulated().size();
  return signature;
}

void colo::separateSignatures(func::FuncOp entry, SymbolTable &symbols) {
  struct Version {
    LayerSignature signature;
    StringAttr name;
  };
  llvm::DenseMap<Operation *, SmallVector<Version, 1>> versions;
  for (func::FuncOp func : reachableFunctions(entry, symbols))
    func.walk([&](LayersOp op) {
      auto site = getCallSite(op, symbols);
      if (!site)
        return;
      LayerSignature signature = signatureOf(op);
      SmallVector<Version, 1> &known = versions[site->callee];
      auto same = llvm::find_if(known, [&](const Version &v) { return v.signature == signature; });
      if (same != known.end()) {
        op.setCallee(same->name.getValue());
        return;
      }
      StringAttr name = site->callee.getSymNameAttr();
      if (!known.empty()) {
        func::FuncOp copy = site->callee.clone();
        name = symbols.insert(copy, std::next(Block::iterator(site->callee))); // makes the name unique
        op.setCallee(name.getValue());
      }
      known.push_back({signature, name});
    });
}

Differentiator::Differentiator(func::FuncOp entry, Operation *lossMetric, SymbolTable &symbols, bool saveBiased)
    : entry(entry), lossMetric(lossMetric), symbols(symbols), saveBiased(saveBiased),
      activity(entry, lossMetric->getOperand(0), symbols) {
  for (func::FuncOp func : reachableFunctions(entry, symbols))
    func.walk([&](LayersOp op) {
      if (auto site = getCallSite(op, symbols))
        signatures[site->callee] = signatureOf(op);
    });
}

LogicalResult Differentiator::runOnEntry(Value loss) {
  Block &block = entry.front();
  OpBuilder builder(block.getTerminator());
  ReverseSweep sweep(block, builder, *this);
  TensorBuilder b(builder, loss.getLoc());
  sweep.addContribution(loss, b.constant(loss, 1.0), loss.getLoc());
  if (failed(sweep.run()))
    return failure();
  for (Operation &op : block.without_terminator())
    if (!sweep.forwardOps.contains(&op))
      op.setLoc(inPhase(op.getLoc(), StepPhase::Backward));
  removeDeadOps(entry, symbols);
  return success();
}

FailureOr<Derivative *> Differentiator::differentiate(func::FuncOp func) {
  std::unique_ptr<Derivative> &slot = derivatives[func];
  if (slot)
    return slot.get();
  FailureOr<JointFunction> joint = buildJoint(func);
  if (failed(joint))
    return failure();
  // `slot` may have moved: differentiating callees grows the map.
  auto derivative = std::make_unique<Derivative>(splitJoint(*joint, func, symbols));
  joint->func.erase();
  Derivative *result = derivative.get();
  derivatives[func] = std::move(derivative);
  return result;
}

FailureOr<JointFunction> Differentiator::buildJoint(func::FuncOp func) {
  IRMapping mapping;
  JointFunction joint;
  joint.saveBiased = saveBiased;
  joint.func = cast<func::FuncOp>(func->clone(mapping));
  activity.copy(func, mapping);
  joint.signature = signatures.lookup(func);
  joint.numArguments = func.getNumArguments();
  Block &block = joint.func.front();
  joint.results = llvm::to_vector(block.getTerminator()->getOperands());
  block.getTerminator()->erase();

  // A carried value has a gradient on both sides of a layer or on neither.
  auto hasGradient = [&](Value value, unsigned index, Value other) {
    return activity.isActive(value) || (joint.signature.isCarriedArgument(index) && activity.isActive(other));
  };
  ReverseSweep sweep(block, OpBuilder::atBlockEnd(&block), *this);
  for (auto [i, result] : llvm::enumerate(joint.results)) {
    Value carried = i < joint.numArguments ? Value(block.getArgument(i)) : Value();
    if (!hasGradient(result, i, carried))
      continue;
    joint.gradientResults.push_back(i);
    Value gradient = block.addArgument(withShape(result.getType(), TensorBuilder::shapeOf(result)), result.getLoc());
    sweep.addContribution(result, gradient, result.getLoc());
  }
  if (failed(sweep.run())) {
    joint.func.erase();
    return failure();
  }
  OpBuilder builder = OpBuilder::atBlockEnd(&block);
  for (unsigned i = 0; i < joint.numArguments; ++i) {
    Value argument = block.getArgument(i);
    if (isParameter(argument) || !hasGradient(argument, i, i < joint.results.size() ? joint.results[i] : Value()))
      continue;
    Value gradient = sweep.gradientOf(argument);
    joint.gradientArguments.push_back(i);
    joint.gradients.push_back(gradient ? gradient
                                       : TensorBuilder(builder, argument.getLoc()).zeros(argument.getType()));
  }
  joint.forwardOps = std::move(sweep.forwardOps);
  return joint;
}
