//===- PlanBuffers.cpp - give each value a place -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Conversion/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace colo {
#define GEN_PASS_DEF_PLANBUFFERS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

ModulePlan::ModulePlan(ModuleOp module, int64_t rowAlignment)
    : module(module), symbols(module), layout(layOutParameters(module)), rowAlignment(rowAlignment) {
  module.walk([&](CallOp call) { calls[call.getCallee()].push_back(call); });
  module.walk([&](LayersOp layers) { calls[layers.getCallee()].push_back(layers); });
}

PlannedFunction *ModulePlan::plan(func::FuncOp func) {
  auto [it, fresh] = functions.try_emplace(func.getName().str());
  if (!fresh)
    return it->second.get();
  auto planned = std::make_unique<PlannedFunction>();
  planned->kept = keptInputs(func);
  if (failed(FunctionPlanner(*this, func, *planned).run()))
    return nullptr;
  return (it->second = std::move(planned)).get();
}

/// The input of a function that a result is under whatever shape.
static std::optional<unsigned> inputBehind(func::FuncOp func, Value result) {
  while (auto view = result.getDefiningOp<ReshapeOp>())
    result = view.getInput();
  auto argument = dyn_cast<BlockArgument>(result);
  if (!argument || func.getArgAttr(argument.getArgNumber(), kParamArgAttr))
    return std::nullopt;
  return argument.getArgNumber();
}

SmallVector<std::optional<unsigned>> ModulePlan::keptInputs(func::FuncOp func) const {
  SmallVector<std::optional<unsigned>> kept(func.getNumResults());
  auto callers = calls.find(func.getName());
  if (callers == calls.end() || func->hasAttr(kRoleAttr))
    return kept;
  ValueRange returned = func.getBody().front().getTerminator()->getOperands();
  for (unsigned i = 0; i < kept.size(); ++i) {
    std::optional<unsigned> input = inputBehind(func, returned[i]);
    bool keeps = input && !llvm::is_contained(kept, input) && llvm::all_of(callers->second, [&](Operation *op) {
                   auto layers = dyn_cast<LayersOp>(op);
                   return layers && !layers.getReverse() && *input < layers.getCarried().size() &&
                          i >= kept.size() - layers.getStackedOut().size();
                 });
    if (keeps)
      kept[i] = input;
  }
  return kept;
}

static std::string keyOf(StringRef name, ArrayRef<Attribute> layouts, ArrayRef<bool> accumulate) {
  std::string key;
  llvm::raw_string_ostream os(key);
  os << name;
  for (Attribute layout : layouts)
    os << ' ' << layout;
  for (bool flag : accumulate)
    os << (flag ? '+' : '=');
  return key;
}

FlatSymbolRefAttr ModulePlan::kernelFor(StringRef name, ArrayRef<Attribute> layouts, ArrayRef<bool> accumulate) {
  MLIRContext *context = module.getContext();
  auto [it, fresh] = kernels.try_emplace(keyOf(name, layouts, accumulate));
  if (fresh) {
    auto kernel = symbols.lookup<func::FuncOp>(name);
    if (kernel->hasAttr(rt::kLayoutsAttr)) {
      kernel = kernel.clone();
      symbols.insert(kernel); // renames
    }
    Builder builder(context);
    kernel->setAttr(rt::kLayoutsAttr, builder.getArrayAttr(layouts));
    kernel->setAttr(rt::kAccumulateAttr, builder.getBoolArrayAttr(accumulate));
    it->second = kernel.getName().str();
  }
  return FlatSymbolRefAttr::get(context, it->second);
}

static func::FuncOp createCopy(ModuleOp module, StringRef name, RankedTensorType type) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Location loc = builder.getUnknownLoc();
  auto func = builder.create<func::FuncOp>(loc, name, builder.getFunctionType({type}, {type}));
  func.setPrivate();
  func->setAttr(rt::kKernelAttr, builder.getUnitAttr());
  int64_t rank = type.getRank();
  func->setAttr(rt::kRowsAttr, builder.getI64IntegerAttr(rank > 1 ? rank - 1 : rank));
  builder.setInsertionPointToStart(func.addEntryBlock());
  Value empty = builder.create<tensor::EmptyOp>(loc, type.getShape(), type.getElementType());
  AffineMap identity = builder.getMultiDimIdentityMap(rank);
  SmallVector<utils::IteratorType> iterators(rank, utils::IteratorType::parallel);
  auto generic = builder.create<linalg::GenericOp>(
      loc, type, ValueRange{func.getArgument(0)}, ValueRange{empty}, ArrayRef<AffineMap>{identity, identity}, iterators,
      [](OpBuilder &nested, Location at, ValueRange args) { nested.create<linalg::YieldOp>(at, args.front()); });
  builder.create<func::ReturnOp>(loc, generic.getResults());
  return func;
}

FlatSymbolRefAttr ModulePlan::copyKernel(MemRefType from, MemRefType to, bool accumulate) {
  SmallVector<Attribute> layouts{TypeAttr::get(from), TypeAttr::get(to)};
  auto [it, fresh] = copies.try_emplace(keyOf("", layouts, accumulate));
  if (fresh) {
    it->second = "copy." + std::to_string(copyCount++);
    func::FuncOp kernel = createCopy(module, it->second, RankedTensorType::get(from.getShape(), from.getElementType()));
    symbols.insert(kernel);
    it->second = kernel.getName().str();
    kernelFor(it->second, layouts, {accumulate});
  }
  return FlatSymbolRefAttr::get(module.getContext(), it->second);
}

namespace {

struct PlanBuffers : colo::impl::PlanBuffersBase<PlanBuffers> {
  using PlanBuffersBase::PlanBuffersBase;

  LogicalResult initialize(MLIRContext *context) override {
    if (rowAlignment < 0 || rowAlignment % kLargestElement != 0)
      return emitError(UnknownLoc::get(context)) << "row-alignment=" << rowAlignment.getValue() << " is no multiple of "
                                                 << kLargestElement << " bytes, the largest element";
    return success();
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    ModulePlan plan(module, rowAlignment);
    SmallVector<func::FuncOp> hosts, roots;
    for (func::FuncOp func : module.getOps<func::FuncOp>()) {
      if (func->hasAttr(rt::kKernelAttr))
        continue;
      hosts.push_back(func);
      if (func->hasAttr(kRoleAttr))
        roots.push_back(func);
    }
    for (func::FuncOp func : roots)
      if (!plan.plan(func))
        return signalPassFailure();
    // What nothing calls any more (a module's function after differentiation) goes with the rest.
    for (func::FuncOp func : hosts)
      func.erase();
  }
};

} // namespace
