//===- FormKernels.cpp - group ops into kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Outlines the clusters of each host function. Afterwards a host function holds
// launches, products, collectives, calls and views only, in an order that its
// values and effects allow and that is otherwise the original one.
//
//===----------------------------------------------------------------------===//

#include "BuildKernel.h"
#include "ExactValues.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/SymbolTable.h"
#include <queue>

namespace colo {
#define GEN_PASS_DEF_FORMKERNELS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// A gradient is written straight into its buffer by the op that makes it: that op must be a product or a kernel that
/// has no other place for it, and nothing else may read the value.
static void isolateGradients(Block &block) {
  for (auto grad : llvm::make_early_inc_range(block.getOps<GradOp>())) {
    Value gradient = grad.getGradient();
    Operation *maker = gradient.getDefiningOp();
    bool direct = isKernelOp(maker) ? !isViewOp(maker) : isa_and_nonnull<EinsumOp, OwnKernelOpInterface>(maker);
    bool inPlace = madeInPlaceOf(gradient) && !cast<InPlaceOpInterface>(maker).addsToGradients();
    if (direct && !inPlace && gradient.hasOneUse())
      continue;
    OpBuilder builder(grad);
    grad.getGradientMutable().assign(
        builder.create<StopGradientOp>(grad.getLoc(), gradient.getType(), gradient).getResult());
  }
}

/// Erases kernel ops that nothing reads.
static void eraseDead(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if ((isKernelOp(&op) || isa<OwnKernelOpInterface>(op)) && op.use_empty())
      op.erase();
}

/// Whether a kernel adds to what a collective brings, which other kernels of the op need not wait for.
static bool awaitsTransfer(llvm::ArrayRef<Value> outputs) {
  return llvm::any_of(outputs, [](Value output) {
    Value place = madeInPlaceOf(output);
    while (place && isViewOp(place.getDefiningOp()))
      place = place.getDefiningOp()->getOperand(0);
    return place && isa_and_nonnull<dist::CollectiveOpInterface>(place.getDefiningOp());
  });
}

/// Results share an op's operations evenly.
static IntegerAttr flopsOfPart(CostOpInterface op, int64_t all, int64_t part) {
  return IntegerAttr::get(IntegerType::get(op.getContext(), 64), op.getFlops() * part / all);
}

/// Sorts by operands and effects; ready ops run in the order of `rank`.
static void sortBlock(Block &block, const llvm::DenseMap<Operation *, int64_t> &rank) {
  llvm::DenseMap<Operation *, int64_t> waiting;
  llvm::DenseMap<Operation *, llvm::SmallVector<Operation *>> readers;
  Operation *lastOrdered = nullptr;
  Operation *terminator = block.getTerminator();
  llvm::SmallVector<Operation *> ops;
  for (Operation &op : block.without_terminator())
    ops.push_back(&op);
  llvm::stable_sort(ops, [&](Operation *a, Operation *b) { return rank.lookup(a) < rank.lookup(b); });
  auto later = [&](Operation *a, Operation *b) { return rank.lookup(a) > rank.lookup(b); };
  std::priority_queue<Operation *, std::vector<Operation *>, decltype(later)> ready(later);
  for (Operation *op : ops) {
    int64_t &count = waiting[op];
    auto waitFor = [&](Operation *before) {
      ++count;
      readers[before].push_back(op);
    };
    for (Value operand : op->getOperands())
      if (operand.getDefiningOp())
        waitFor(operand.getDefiningOp());
    if (!isMemoryEffectFree(op) && !isa<rt::LaunchOp>(op)) {
      if (lastOrdered)
        waitFor(lastOrdered);
      lastOrdered = op;
    }
    if (count == 0)
      ready.push(op);
  }
  while (!ready.empty()) {
    Operation *op = ready.top();
    ready.pop();
    op->moveBefore(terminator);
    for (Operation *reader : readers[op])
      if (--waiting[reader] == 0)
        ready.push(reader);
  }
}

namespace {
struct FormKernelsPass : public colo::impl::FormKernelsBase<FormKernelsPass> {
  using FormKernelsBase::FormKernelsBase;

  void getDependentDialects(DialectRegistry &registry) const override {
    FormKernelsBase::getDependentDialects(registry);
    registerOwnKernels(registry);
  }

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::SmallVector<func::FuncOp> hosts;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (!func.isExternal() && !func->hasAttr(rt::kKernelAttr))
        hosts.push_back(func);
    for (func::FuncOp host : hosts)
      if (failed(checkHost(host)))
        return signalPassFailure();
    for (func::FuncOp host : hosts)
      formKernels(host, symbols);
  }

private:
  LogicalResult checkHost(func::FuncOp host) {
    if (!host.getBody().hasOneBlock())
      return host.emitError("needs a single block: control flow is resolved before kernels are formed");
    WalkResult result = host.getBody().walk([](Operation *op) -> WalkResult {
      auto own = dyn_cast<OwnKernelOpInterface>(op);
      if (isa<DecomposeOpInterface>(op) && !own)
        return op->emitError("must be decomposed before kernels are formed");
      if (own && failed(own.verifyForKernels()))
        return WalkResult::interrupt();
      for (Type type : op->getResultTypes())
        if (auto tensor = dyn_cast<RankedTensorType>(type);
            tensor && (tensor.getEncoding() || !tensor.hasStaticShape()))
          return op->emitError("needs local static shapes without an encoding, not ") << tensor;
      return WalkResult::advance();
    });
    return failure(result.wasInterrupted());
  }

  /// A kernel and the values of the host function that its launch replaces.
  struct Outlined {
    func::FuncOp kernel;
    std::unique_ptr<KernelSignature> signature;
    llvm::SmallVector<Value> outputs;
  };

  Outlined createKernel(func::FuncOp host, HostScalars &scalars, SymbolTable &symbols, llvm::ArrayRef<Value> outputs) {
    OpBuilder builder(&getContext());
    auto kernel = func::FuncOp::create(host.getLoc(), (host.getSymName() + ".k" + llvm::Twine(kernelCount++)).str(),
                                       builder.getFunctionType({}, {}));
    kernel.setPrivate();
    kernel->setAttr(rt::kKernelAttr, builder.getUnitAttr());
    kernel.addEntryBlock();
    symbols.insert(kernel, Block::iterator(host));
    return {kernel, std::make_unique<KernelSignature>(kernel, scalars), llvm::SmallVector<Value>(outputs)};
  }

  std::vector<Outlined> outline(func::FuncOp host, Block &block, const Clustering &clustering, SymbolTable &symbols) {
    // Values that other kernels read leave their kernel, too.
    llvm::DenseMap<Value, const Kernel *> home;
    for (const Kernel &kernel : clustering.getKernels())
      for (Value anchor : kernel.anchors)
        home[anchor] = &kernel;
    llvm::DenseSet<Value> shared;
    for (const Kernel &kernel : clustering.getKernels())
      for (Value anchor : kernel.anchors)
        clustering.walkLeaves(anchor, [&](Value leaf, llvm::ArrayRef<AffineExpr>) {
          if (home.lookup(leaf) != &kernel)
            shared.insert(leaf);
        });
    HostScalars scalars(block);
    std::vector<Outlined> outlined;
    for (const Kernel &kernel : clustering.getKernels()) {
      llvm::SmallVector<Value> outputs;
      for (Value anchor : kernel.anchors)
        if (clustering.isRequired(anchor) || shared.contains(anchor))
          outputs.push_back(anchor);
      Outlined created = createKernel(host, scalars, symbols, outputs);
      buildKernel(clustering, kernel, outputs, created.kernel, *created.signature, rowBytes);
      outlined.push_back(std::move(created));
    }
    for (auto own : block.getOps<OwnKernelOpInterface>())
      for (llvm::ArrayRef<unsigned> results : own.getKernelResults()) {
        llvm::SmallVector<Value> outputs;
        for (unsigned result : results)
          outputs.push_back(own->getResult(result));
        if (llvm::all_of(outputs, [](Value output) { return output.use_empty(); }))
          continue;
        Outlined created = createKernel(host, scalars, symbols, outputs);
        OpBuilder builder = OpBuilder::atBlockBegin(&created.kernel.getBody().front());
        cast<OwnKernelBodyOpInterface>(*own).buildKernel(outputs, builder, *created.signature);
        if (auto cost = dyn_cast<CostOpInterface>(*own))
          created.kernel->setAttr(rt::kFlopsAttr, flopsOfPart(cost, own->getNumResults(), outputs.size()));
        outlined.push_back(std::move(created));
      }
    return outlined;
  }

  rt::LaunchOp launch(const Outlined &outlined) {
    func::FuncOp kernel = outlined.kernel;
    Block &entry = kernel.getBody().front();
    Operation *end = entry.getTerminator();
    kernel.setFunctionType(FunctionType::get(&getContext(), entry.getArgumentTypes(), end->getOperandTypes()));
    kernel->setLoc(end->getLoc());
    OpBuilder builder(outlined.outputs.front().getDefiningOp());
    llvm::SmallVector<Value> inputs = outlined.signature->hostValues();
    DenseI64ArrayAttr inPlace = placesAmong(inputs, outlined.outputs);
    if (inPlace)
      kernel->setAttr(rt::kInPlaceAttr, inPlace);
    return builder.create<rt::LaunchOp>(end->getLoc(), TypeRange(end->getOperandTypes()),
                                        FlatSymbolRefAttr::get(kernel.getSymNameAttr()), inputs, ValueRange(),
                                        IntegerAttr(), inPlace);
  }

  /// Of each output the number of the input in whose place it is made, or -1; null if none is.
  DenseI64ArrayAttr placesAmong(llvm::ArrayRef<Value> inputs, llvm::ArrayRef<Value> outputs) {
    llvm::SmallVector<int64_t> numbers(outputs.size(), -1);
    for (auto [output, number] : llvm::zip(outputs, numbers))
      if (Value place = madeInPlaceOf(output))
        number = llvm::find(inputs, place) - inputs.begin();
    bool isAny = llvm::any_of(numbers, [](int64_t number) { return number >= 0; });
    return isAny ? DenseI64ArrayAttr::get(&getContext(), numbers) : DenseI64ArrayAttr();
  }

  /// The bodies of loops first: what they do with values around them decides how those are held.
  void formKernels(func::FuncOp host, SymbolTable &symbols) {
    kernelCount = 0;
    host.walk([&](dist::LoopOp loop) { formKernels(host, loop.block(), symbols); });
    formKernels(host, host.getBody().front(), symbols);
  }

  void formKernels(func::FuncOp host, Block &block, SymbolTable &symbols) {
    eraseDead(block);
    isolateGradients(block);
    markExact(block);
    Clustering clustering(block, {rowBytes, registers});
    std::vector<Outlined> outlined = outline(host, block, clustering, symbols);
    llvm::DenseMap<Operation *, int64_t> rank;
    for (auto [position, op] : llvm::enumerate(block))
      rank[&op] = 2 * static_cast<int64_t>(position);
    // All launches read the original values before any of these is replaced.
    llvm::SmallVector<rt::LaunchOp> launches;
    for (const Outlined &kernel : outlined) {
      launches.push_back(launch(kernel));
      rank[launches.back()] =
          rank.lookup(kernel.outputs.front().getDefiningOp()) + (awaitsTransfer(kernel.outputs) ? 1 : 0);
    }
    for (auto [kernel, launchOp] : llvm::zip(outlined, launches))
      for (auto [output, result] : llvm::zip(kernel.outputs, launchOp.getResults()))
        output.replaceAllUsesWith(result);
    eraseDead(block);
    sortBlock(block, rank);
  }

  int64_t kernelCount = 0;
};
} // namespace
