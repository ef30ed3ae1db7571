//===- TensorBuilder.h - short names for building colo ops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Builds colo ops at one insertion point and location, inferring result types
// from the operands'. Types never carry an encoding. Products with a splat of
// one are not built: seeds of gradients and unit weights would leave them
// everywhere.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_TENSORBUILDER_H
#define COLO_DIALECT_COLO_TENSORBUILDER_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/IR/TypeUtilities.h"

namespace colo {

/// Creates colo ops at `builder`'s insertion point, all at one location; `builder` outlives it. Operands of a binary op
/// have one shape.
class TensorBuilder {
public:
  TensorBuilder(mlir::OpBuilder &builder, mlir::Location loc) : builder(builder), loc(loc) {}

  static mlir::RankedTensorType typeOf(mlir::Value v) { return mlir::cast<mlir::RankedTensorType>(v.getType()); }
  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value v) { return typeOf(v).getShape(); }

  mlir::Value constant(mlir::Value like, double value) {
    return splat(builder, loc, withShape(like.getType(), shapeOf(like)), value);
  }
  mlir::Value zeros(mlir::Type type) { return splat(builder, loc, type, 0.0); }

  mlir::Value neg(mlir::Value x) { return unary<NegOp>(x); }
  mlir::Value exp(mlir::Value x) { return unary<ExpOp>(x); }
  mlir::Value log(mlir::Value x) { return unary<LogOp>(x); }
  mlir::Value rsqrt(mlir::Value x) { return unary<RsqrtOp>(x); }
  mlir::Value add(mlir::Value a, mlir::Value b) { return binary<AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return binary<SubOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return binary<DivOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) {
    if (isOne(a))
      return b;
    return isOne(b) ? a : binary<MulOp>(a, b);
  }
  mlir::Value scale(mlir::Value x, double factor) { return factor == 1.0 ? x : mul(x, constant(x, factor)); }
  mlir::Value power(mlir::Value x, double exponent) {
    return builder.create<PowerOp>(loc, x.getType(), x, builder.getF64FloatAttr(exponent));
  }

  mlir::Value compare(Predicate predicate, mlir::Value a, mlir::Value b) {
    return builder.create<CompareOp>(loc, withShape(builder.getI1Type(), shapeOf(a)), predicate, a, b);
  }
  mlir::Value compare(Predicate predicate, mlir::Value a, double b) { return compare(predicate, a, constant(a, b)); }
  mlir::Value both(mlir::Value a, mlir::Value b) { return binary<AndOp>(a, b); }
  mlir::Value select(mlir::Value mask, mlir::Value a, mlir::Value b) {
    return builder.create<SelectOp>(loc, a.getType(), mask, a, b);
  }
  /// x where the mask is true, else the number.
  mlir::Value selectOr(mlir::Value mask, mlir::Value x, double otherwise) {
    return select(mask, x, constant(x, otherwise));
  }
  mlir::Value convert(mlir::Value x, mlir::Type elementType) {
    return mlir::getElementTypeOrSelf(x) == elementType
               ? x
               : builder.create<ConvertOp>(loc, withShape(elementType, shapeOf(x)), x).getResult();
  }
  /// Wide: as f32 where the elements have 16 bits.
  mlir::Value widen(mlir::Value x) { return convert(x, arithmeticType(mlir::getElementTypeOrSelf(x))); }
  mlir::Value convertLike(mlir::Value x, mlir::Value like) { return convert(x, mlir::getElementTypeOrSelf(like)); }
  mlir::Value dropout(mlir::Value x, double rate, int64_t id, mlir::ArrayAttr positions) {
    return builder.create<DropoutOp>(loc, x.getType(), x, builder.getF64FloatAttr(rate), builder.getI64IntegerAttr(id),
                                     positions);
  }
  /// Positions along `dim` of `shape`, as i32.
  mlir::Value iota(llvm::ArrayRef<int64_t> shape, int64_t dim, mlir::ArrayAttr positions = {}) {
    return builder.create<IotaOp>(loc, withShape(builder.getI32Type(), shape), builder.getI64IntegerAttr(dim),
                                  positions);
  }

  mlir::Value broadcast(mlir::Value x, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> dims) {
    if (shapeOf(x) == shape)
      return x;
    return builder.create<BroadcastOp>(loc, withShape(x.getType(), shape), x, dims);
  }
  /// Repeats x along all dims of `shape` that follow those of x.
  mlir::Value broadcastTrailing(mlir::Value x, llvm::ArrayRef<int64_t> shape);
  /// Of 16-bit floats it is an f32.
  mlir::Value reduce(ReduceKind kind, mlir::Value x, llvm::ArrayRef<int64_t> dims);
  /// Reduces the last dim.
  mlir::Value reduceLast(ReduceKind kind, mlir::Value x) { return reduce(kind, x, {typeOf(x).getRank() - 1}); }
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> permutation);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<int64_t> shape) {
    return shapeOf(x) == shape ? x : builder.create<ReshapeOp>(loc, withShape(x.getType(), shape), x).getResult();
  }
  /// The product's element type is the operands' where none is given.
  mlir::Value einsum(llvm::StringRef lhs, mlir::Value a, llvm::StringRef rhs, mlir::Value b, llvm::StringRef result,
                     mlir::Type element = {});

private:
  template <typename OpT> mlir::Value unary(mlir::Value x) { return builder.create<OpT>(loc, x.getType(), x); }
  template <typename OpT> mlir::Value binary(mlir::Value a, mlir::Value b) {
    return builder.create<OpT>(loc, a.getType(), a, b);
  }
  static bool isOne(mlir::Value v) {
    auto op = v.getDefiningOp<ConstantOp>();
    return op && op.getValue().convertToDouble() == 1.0;
  }

  mlir::OpBuilder &builder;
  mlir::Location loc;
};

} // namespace colo

#endif // COLO_DIALECT_COLO_TENSORBUILDER_H
