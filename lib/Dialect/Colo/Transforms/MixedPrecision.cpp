//===- MixedPrecision.cpp - element types of a program in mixed precision -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs on the forward program, so that gradients, what is saved and what is sent
// take the types of their values. Conversions are elementwise ops and end up
// inside kernels, where nothing is rounded before it is stored.
//
//===----------------------------------------------------------------------===//

#include "CallSite.h"
#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

namespace colo {
#define GEN_PASS_DEF_MIXEDPRECISIONPASS
#include "colo/Dialect/Colo/Passes.h.inc"
} // namespace colo

static bool holds(Value value, Type element) { return getElementTypeOrSelf(value) == element; }

static void setElement(Value value, Type element) { value.setType(withShape(element, TensorBuilder::shapeOf(value))); }

namespace {
class Retyping {
public:
  Retyping(ModuleOp module, Type narrow)
      : symbols(module), builder(module.getContext()), narrow(narrow), wide(arithmeticType(narrow)) {}

  /// Gives the values of a function their types, and those of the functions that it calls.
  void run(func::FuncOp func) {
    if (!done.insert(func).second)
      return;
    for (BlockArgument argument : func.getArguments())
      if (holds(argument, wide) && !func->hasAttr(kRoleAttr))
        setElement(argument, narrow);
    for (Operation &op : llvm::make_early_inc_range(func.front().without_terminator())) {
      builder.setInsertionPoint(&op);
      visit(&op);
    }
    Operation *end = func.front().getTerminator();
    func.setFunctionType(builder.getFunctionType(func.front().getArgumentTypes(), end->getOperandTypes()));
  }

private:
  void visit(Operation *op) {
    if (isa<ParamRefOp>(op))
      return setElement(op->getResult(0), narrow);
    if (std::optional<CallSite> site = getCallSite(op, symbols))
      return visitCall(*site);
    auto precision = dyn_cast<PrecisionOpInterface>(op);
    bool isNarrow = llvm::any_of(op->getOperands(), [&](Value operand) { return holds(operand, narrow); });
    for (OpOperand &operand : op->getOpOperands())
      if (isFloat(operand.get()))
        convert(operand, precision && precision.readsWide(operand.getOperandNumber()) ? wide : typeIf(isNarrow));
    for (OpResult result : op->getResults())
      if (isFloat(result))
        setElement(result, precision && precision.givesWide(result.getResultNumber()) ? wide : typeIf(isNarrow));
  }

  /// What goes from layer to layer keeps its type.
  void visitCall(CallSite site) {
    OpBuilder::InsertionGuard guard(builder);
    run(site.callee);
    for (unsigned i = 0; i < site.numCarried; ++i) {
      OpOperand &carried = site.callee.front().getTerminator()->getOpOperand(i);
      builder.setInsertionPoint(carried.getOwner());
      convert(carried, getElementTypeOrSelf(site.argument(i)));
    }
    site.callee.setFunctionType(builder.getFunctionType(site.callee.getArgumentTypes(),
                                                        site.callee.front().getTerminator()->getOperandTypes()));
    builder.setInsertionPoint(site.op);
    for (OpOperand &operand : site.op->getOpOperands())
      convert(operand, getElementTypeOrSelf(site.argument(operand.getOperandNumber())));
    for (OpResult result : site.op->getResults())
      setElement(result, getElementTypeOrSelf(site.returned(result.getResultNumber())));
  }

  bool isFloat(Value value) const { return holds(value, narrow) || holds(value, wide); }
  Type typeIf(bool isNarrow) const { return isNarrow ? narrow : wide; }

  /// A constant is made anew, not rounded.
  void convert(OpOperand &operand, Type element) {
    Value value = operand.get();
    if (holds(value, element))
      return;
    if (auto constant = value.getDefiningOp<ConstantOp>())
      operand.set(builder.create<ConstantOp>(constant.getLoc(), withShape(element, TensorBuilder::shapeOf(value)),
                                             constant.getValueAttr()));
    else
      operand.set(TensorBuilder(builder, operand.getOwner()->getLoc()).convert(value, element));
  }

  SymbolTable symbols;
  OpBuilder builder;
  Type narrow, wide;
  llvm::DenseSet<Operation *> done;
};

struct MixedPrecisionPass : public colo::impl::MixedPrecisionPassBase<MixedPrecisionPass> {
  using MixedPrecisionPassBase::MixedPrecisionPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Builder builder(module.getContext());
    if (type.empty())
      return;
    if (type != "bf16" && type != "f16") {
      module.emitError("unknown type '") << type << "'; there are bf16 and f16";
      return signalPassFailure();
    }
    Type narrow = type == "bf16" ? builder.getBF16Type() : builder.getF16Type();
    for (auto param : module.getOps<ParamOp>()) {
      Type element = getElementTypeOrSelf(param.getType());
      if (!element.isF32()) {
        param.emitError("parameters of mixed precision are f32, but this is of ") << element;
        return signalPassFailure();
      }
      param.setReadAs(narrow);
    }
    if (scaled)
      module.walk([](WeightedMeanOp mean) { mean.setScaled(true); });
    if (func::FuncOp entry = findRole(module, "entry"))
      Retyping(module, narrow).run(entry);
  }
};
} // namespace
