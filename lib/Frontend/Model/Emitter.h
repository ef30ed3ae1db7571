//===- Emitter.h - ops of the colo dialect from tensors --------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds ops at one place of the user's file: makes broadcasting explicit,
// carries the names of sizes from operands to results, and refuses what would
// make the result depend on how the batch is split over micro-batches and
// replicas. Tensors given to it belong to the function under construction
// (Importer::tensor). All errors go through Importer::fail.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_EMITTER_H
#define COLO_LIB_FRONTEND_MODEL_EMITTER_H

#include "Importer.h"

namespace colo::model {

using Dims = llvm::SmallVector<Size, 4>;

class Emitter {
public:
  Emitter(Importer &importer, llvm::SMLoc at) : importer(importer), at(at), loc(importer.locate(at)) {}

  [[noreturn]] void fail(const llvm::Twine &message) { importer.fail(at, message); }
  [[noreturn]] void failOnSplit(const llvm::Twine &what);

  //===--- Elementwise ------------------------------------------------------===//
  /// Any operator with a tensor on at least one side.
  Value binary(Operator op, const Value &lhs, const Value &rhs);
  Tensor negate(const Tensor &x);
  template <typename Op, typename... Attributes> Tensor unary(const Tensor &input, Attributes... attributes) {
    Tensor x = toFloat(input);
    return like(x, importer.builder().create<Op>(loc, x.value.getType(), x.value, attributes...));
  }
  template <typename Op> Tensor elementwise(const Tensor &lhs, const Tensor &rhs) {
    return like(lhs, importer.builder().create<Op>(loc, lhs.value.getType(), lhs.value, rhs.value));
  }
  Tensor maximum(const Tensor &lhs, const Tensor &rhs);
  Tensor select(const Tensor &mask, const Value &lhs, const Value &rhs);
  Tensor convert(const Tensor &x, mlir::Type elementType);
  Tensor toFloat(const Tensor &x) { return convert(x, importer.floatType()); }
  Tensor constant(double value, mlir::Type elementType, llvm::ArrayRef<Size> dims);
  Tensor iota(int64_t dim, mlir::Type elementType, llvm::ArrayRef<Size> dims);
  Tensor power(const Tensor &base, double exponent);

  //===--- Shapes -----------------------------------------------------------===//
  Tensor broadcastTo(const Tensor &x, llvm::ArrayRef<Size> dims);
  /// The common shape of two operands; `what` names the operation.
  Dims commonShape(llvm::ArrayRef<Size> lhs, llvm::ArrayRef<Size> rhs, llvm::StringRef what);
  Tensor reshape(const Tensor &x, Dims dims);
  Tensor permute(const Tensor &x, llvm::ArrayRef<int64_t> permutation);
  /// Elements offset + i * stride of each dim, `sizes` of them.
  Tensor slice(const Tensor &x, llvm::ArrayRef<int64_t> offsets, llvm::ArrayRef<Size> sizes,
               llvm::ArrayRef<int64_t> strides);
  Tensor concat(llvm::ArrayRef<Tensor> parts, int64_t dim);
  Tensor dropUnitDims(const Tensor &x, llvm::ArrayRef<bool> dropped);

  //===--- Reductions -------------------------------------------------------===//
  /// Over `dims` (rising), none of which may hold batch rows.
  Tensor reduce(ReduceKind kind, const Tensor &x, llvm::ArrayRef<int64_t> dims, bool keep);
  Tensor mean(const Tensor &x, llvm::ArrayRef<int64_t> dims, bool keep);
  /// sum(weights * values) / sum(weights) over the global batch.
  Tensor weightedMean(const Tensor &values, const Tensor &weights);

  //===--- Products ---------------------------------------------------------===//
  Tensor matmul(const Tensor &lhs, const Tensor &rhs);
  /// Contracts the last `contracted` dims of both.
  Tensor linear(const Tensor &x, const Tensor &weight, int64_t contracted);

  /// A tensor type with these sizes, if they are legal.
  mlir::RankedTensorType typeOf(llvm::ArrayRef<Size> dims, mlir::Type elementType);
  Tensor like(const Tensor &model, mlir::Value value) { return Tensor{value, model.dims}; }
  mlir::Location location() const { return loc; }

private:
  Value binaryOnShares(Operator op, const Value &lhs, const Value &rhs);
  Tensor compare(Operator op, const Value &lhs, const Value &rhs);
  Tensor numberLike(const Value &number, const Tensor &other);
  std::pair<Tensor, Tensor> aligned(const Value &lhs, const Value &rhs, llvm::StringRef what);
  Tensor einsum(const Tensor &lhs, const Tensor &rhs, std::string left, std::string right, const std::string &result,
                llvm::ArrayRef<Size> dims);

  Importer &importer;
  llvm::SMLoc at;
  mlir::Location loc;
};

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_EMITTER_H
