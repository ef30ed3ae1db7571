//===- Differentiate.h - reverse-mode differentiation of functions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three steps, each in a file of its own:
//  * ReverseSweep appends to a block the gradient computation of its ops;
//  * splitJoint cuts such a joint function into a forward function, which also
//    returns what must be saved, and a backward function;
//  * Differentiator does both to every function that a gradient reaches, callee
//    after caller asks for it, once.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_COLO_TRANSFORMS_DIFFERENTIATE_H
#define COLO_LIB_DIALECT_COLO_TRANSFORMS_DIFFERENTIATE_H

#include "Activity.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace colo {

/// What the arguments and results of a function are to the runs of layers that call it; all zero if only calls do.
struct LayerSignature {
  bool inLayers = false;
  unsigned numCarried = 0, numInvariants = 0, numStacked = 0, numAccumulated = 0;

  bool isCarriedArgument(unsigned i) const { return i < numCarried; }
  bool isStackedArgument(unsigned i) const { return inLayers && i >= numCarried + numInvariants; }
  bool isStackedResult(unsigned i) const { return inLayers && i >= numCarried + numAccumulated; }
  bool operator==(const LayerSignature &o) const {
    return inLayers == o.inLayers && numCarried == o.numCarried && numInvariants == o.numInvariants &&
           numStacked == o.numStacked && numAccumulated == o.numAccumulated;
  }
};

/// Gives runs of layers that see one function in different ways (what is carried, invariant, stacked) a copy each, so
/// that a function has one signature.
void separateSignatures(mlir::func::FuncOp entry, mlir::SymbolTable &symbols);

/// One argument of a backward function, parameters aside.
struct BackwardInput {
  enum Source {
    ResultGradient, ///< the gradient of result `index`
    Argument,       ///< argument `index` again
    Result,         ///< result `index` again
    Saved           ///< additional result `index` of the forward function
  };
  enum Group { Carried, Invariant, Stacked }; ///< its place in colo.layers
  Source source;
  unsigned index;
  Group group;
};

/// @F.fwd and @F.bwd of a function @F.
struct Derivative {
  mlir::func::FuncOp forward, backward;
  llvm::SmallVector<BackwardInput> inputs;
  /// The arguments of @F whose gradients @F.bwd returns.
  llvm::SmallVector<unsigned> gradientArguments;
};

/// A copy of a function with its gradient computation behind it.
struct JointFunction {
  mlir::func::FuncOp func; ///< returns nothing yet; gradients of results are its last arguments
  LayerSignature signature;
  unsigned numArguments; ///< of the original
  llvm::SmallVector<mlir::Value> results;
  llvm::SmallVector<unsigned> gradientResults;
  llvm::SmallVector<unsigned> gradientArguments;
  llvm::SmallVector<mlir::Value> gradients; ///< of gradientArguments
  llvm::SmallPtrSet<mlir::Operation *, 32> forwardOps;
  bool saveBiased; ///< products with the bias that is added to them
};

/// Cuts the joint function of `original` in two and gives the halves a place after it.
Derivative splitJoint(JointFunction &joint, mlir::func::FuncOp original, mlir::SymbolTable &symbols);

class Differentiator;

/// Appends gradients to a block in which everything so far is forward.
class ReverseSweep {
public:
  ReverseSweep(mlir::Block &block, mlir::OpBuilder builder, Differentiator &differentiator);

  void addContribution(mlir::Value value, mlir::Value gradient, mlir::Location loc);
  mlir::LogicalResult run();
  /// The sum of what was contributed, in that order; null if nothing was.
  mlir::Value gradientOf(mlir::Value value);

  llvm::SmallPtrSet<mlir::Operation *, 32> forwardOps;

private:
  mlir::Value widenInPlace(mlir::Value gradient, mlir::Operation *user);
  mlir::Value widen(mlir::Value gradient);
  mlir::LogicalResult visit(mlir::Operation *op);
  mlir::LogicalResult visitCall(CallSite site, llvm::ArrayRef<mlir::Value> resultGrads);
  mlir::Operation *callForward(CallSite site, Derivative &derivative);
  mlir::Operation *callBackward(CallSite site, mlir::Operation *forward, Derivative &derivative,
                                llvm::ArrayRef<mlir::Value> resultGrads);

  mlir::Block &block;
  mlir::OpBuilder builder;
  Differentiator &differentiator;
  llvm::DenseMap<mlir::Value, llvm::SmallVector<mlir::Value, 2>> contributions;
  llvm::DenseMap<mlir::Value, unsigned> timesContributed; ///< a gradient, to values
};

class Differentiator {
public:
  Differentiator(mlir::func::FuncOp entry, mlir::Operation *lossMetric, mlir::SymbolTable &symbols, bool saveBiased);

  /// Appends the gradients of `loss` to the entry function.
  mlir::LogicalResult runOnEntry(mlir::Value loss);
  mlir::FailureOr<Derivative *> differentiate(mlir::func::FuncOp func);

  const Activity &getActivity() const { return activity; }
  mlir::SymbolTable &getSymbols() { return symbols; }
  mlir::Operation *getLossMetric() { return lossMetric; }

private:
  mlir::FailureOr<JointFunction> buildJoint(mlir::func::FuncOp func);

  mlir::func::FuncOp entry;
  mlir::Operation *lossMetric;
  mlir::SymbolTable &symbols;
  bool saveBiased; ///< as of JointFunction
  Activity activity;
  llvm::DenseMap<mlir::Operation *, LayerSignature> signatures;
  llvm::DenseMap<mlir::Operation *, std::unique_ptr<Derivative>> derivatives;
};

} // namespace colo

#endif // COLO_LIB_DIALECT_COLO_TRANSFORMS_DIFFERENTIATE_H
