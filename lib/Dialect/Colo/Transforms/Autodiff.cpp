//===- Autodiff.cpp - differentiate the loss -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pass: checks of the entry function, its other forms, then its gradients.
// Differentiate.h says how.
//
//===----------------------------------------------------------------------===//

#include "Differentiate.h"
#include "EntryForms.h"
#include "colo/Dialect/Colo/Hints.h"
#include "colo/Dialect/Colo/Passes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace colo;

namespace colo {
#define GEN_PASS_DEF_AUTODIFFPASS
#include "colo/Dialect/Colo/Passes.h.inc"
} // namespace colo

/// The metric that is differentiated: one, a scalar, named "loss".
static FailureOr<MetricOp> findLoss(func::FuncOp entry) {
  MetricOp loss;
  for (auto metric : entry.getOps<MetricOp>()) {
    if (metric.getName() != "loss")
      continue;
    if (loss) {
      InFlightDiagnostic diag = metric.emitError("a second metric \"loss\"");
      diag.attachNote(loss.getLoc()) << "the first is here";
      return failure();
    }
    loss = metric;
  }
  if (!loss)
    return entry.emitError("the model returns no \"loss\": there is nothing to differentiate");
  auto type = cast<RankedTensorType>(loss.getValue().getType());
  if (type.getRank() != 0 || !isa<FloatType>(type.getElementType()))
    return loss.emitError() << "the loss must be one number, but is " << type;
  return loss;
}

/// Weighted means of a module's function would count their weights once a call.
static LogicalResult checkMeansAreInEntry(ModuleOp module, func::FuncOp entry) {
  WalkResult result = module.walk([&](WeightedMeanOp op) {
    if (op->getParentOfType<func::FuncOp>() == entry)
      return WalkResult::advance();
    op.emitError("a mean over the batch belongs in the model's own forward: return the values from this module");
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

namespace {
struct AutodiffPass : public colo::impl::AutodiffPassBase<AutodiffPass> {
  using AutodiffPassBase::AutodiffPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    func::FuncOp entry = findRole(module, "entry");
    if (!entry) {
      module.emitError("no function has the role \"entry\"");
      return signalPassFailure();
    }
    FailureOr<MetricOp> loss = findLoss(entry);
    if (failed(loss) || failed(checkMeansAreInEntry(module, entry)))
      return signalPassFailure();

    numberTerms(entry);
    SymbolTable symbols(module);
    separateSignatures(entry, symbols);
    buildEvaluate(entry, symbols);
    if (failed(buildCount(entry, symbols)))
      return signalPassFailure();

    Differentiator differentiator(entry, *loss, symbols, saveBiased);
    if (!differentiator.getActivity().isActive(loss->getValue())) {
      loss->emitError("the loss depends on no parameter: there is nothing to train");
      return signalPassFailure();
    }
    if (failed(differentiator.runOnEntry(loss->getValue())))
      return signalPassFailure();
    removeUnreachableFunctions(module);
    module.walk([](Operation *op) { op->removeAttr(kRecomputeAttr); });
  }
};
} // namespace
