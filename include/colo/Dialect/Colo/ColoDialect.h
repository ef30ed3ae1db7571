//===- ColoDialect.h - the colo dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_COLODIALECT_H
#define COLO_DIALECT_COLO_COLODIALECT_H

#include "colo/Dialect/Colo/ColoInterfaces.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "colo/Dialect/Colo/ColoDialect.h.inc"
#include "colo/Dialect/Colo/ColoEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "colo/Dialect/Colo/ColoAttrs.h.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Colo/ColoOps.h.inc"

namespace colo {

/// Names of attributes that several phases share.
/// On a function argument that is a parameter: its name inside the module.
inline constexpr llvm::StringLiteral kParamArgAttr = "colo.param";
/// On the function that is one micro-batch of the model ("entry"), on its evaluation form ("evaluate") and on the
/// function that counts denominators ("count").
inline constexpr llvm::StringLiteral kRoleAttr = "colo.role";

/// On arguments of the entry function, set by the frontend and read by the runtime's tables: an input's name (string);
/// where it is class ids, how many classes there are (i64, read by dist-pad too); the id that counts as none (i64).
inline constexpr llvm::StringLiteral kInputAttr = "colo.input", kClassesAttr = "colo.classes",
                                     kIgnoreIndexAttr = "colo.ignore_index";

/// On the module, each set in one place and read by the runtime's tables.
/// The Model's name (string), set by the frontend.
inline constexpr llvm::StringLiteral kModelAttr = "colo.model";
/// Spans of the flat buffers of parameters, in elements (array of dictionaries, as ColoSegment), set by plan-buffers;
/// build-step reads what they are reduced over.
inline constexpr llvm::StringLiteral kSegmentsAttr = "colo.segments";
/// The length of those buffers, of the rank that has most, and of each pipeline rank where there are several
/// (elements, i64 and array of i64), set by plan-buffers; read by build-step and the plan.
inline constexpr llvm::StringLiteral kParamElementsAttr = "colo.param_elements",
                                     kRankElementsAttr = "colo.rank_elements";
/// Workspace of the rank that has most, and of each pipeline rank where there are several (bytes, i64 and array of
/// i64), set by build-step; read by the plan.
inline constexpr llvm::StringLiteral kWorkspaceBytesAttr = "colo.workspace_bytes",
                                     kRankWorkspaceBytesAttr = "colo.rank_workspace_bytes";
/// What each pipeline rank keeps for backwards at its fullest (bytes, array of i64), set by build-step; read by the
/// plan alone.
inline constexpr llvm::StringLiteral kRankSavedBytesAttr = "colo.rank_saved_bytes";
/// Names of metrics in the order of the buffer `metrics` (array of strings), set by build-step.
inline constexpr llvm::StringLiteral kMetricsAttr = "colo.metrics";
/// How many denominators the buffer `counts` holds (i64), set by build-step; read by load-step-values.
inline constexpr llvm::StringLiteral kTermCountAttr = "colo.term_count";

/// Letters of an einsum spec; e.g. "bsh,oh->bso" gives {"bsh", "oh", "bso"}.
struct EinsumSpec {
  llvm::StringRef lhs, rhs, result;
};
/// Splits a verified spec.
EinsumSpec parseEinsumSpec(llvm::StringRef spec);

/// The vector that `added`, of the type of a product, adds to all rows of it, or null: a broadcast one of the result's
/// last dims, in their order, and of all that one operand alone brings to the result, since that is what is contiguous
/// there.
mlir::Value biasOf(EinsumOp product, mlir::Value added);

/// What holds of an epilogue that is done to each element of a product, after all that is added.
struct ActivationRule {
  bool readsAux;      ///< with an element of `aux`; nothing is added then
  bool keepsArgument; ///< a product can give what it is done to as another result
  bool isExact;       ///< libraries compute what kernels do, bit by bit
};
/// None of an epilogue that is no activation.
std::optional<ActivationRule> activationRule(Epilogue epilogue);

/// A tensor type with another shape and the element type (and no encoding) of `like`.
mlir::RankedTensorType withShape(mlir::Type like, llvm::ArrayRef<int64_t> shape);

/// The type in which one computes with elements of this type: f32 for 16-bit floats.
mlir::Type arithmeticType(mlir::Type element);

/// A splat of `value` in the shape and element type of `type`.
mlir::Value splat(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type, double value);

} // namespace colo

#endif // COLO_DIALECT_COLO_COLODIALECT_H
