//===- Nest.cpp - a loop nest over flat memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Nest.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <numeric>

using namespace mlir;
using namespace colo;

bool Nest::hasReduction() const {
  return llvm::any_of(loops, [](const Loop &loop) { return loop.reduced; });
}

bool Nest::isColumn() const { return hasReduction() && !loops.back().reduced; }

AffineExpr colo::addressOf(AffineMap map, llvm::ArrayRef<int64_t> strides) {
  AffineExpr address = getAffineConstantExpr(0, map.getContext());
  for (auto [index, stride] : llvm::zip(map.getResults(), strides))
    address = address + index * stride;
  return simplifyAffineExpr(address, map.getNumDims(), 0);
}

bool colo::isLeadingSlice(Operation *op) {
  auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
  auto all = [](llvm::ArrayRef<int64_t> numbers, int64_t value) {
    return llvm::all_of(numbers, [=](int64_t number) { return number == value; });
  };
  return slice && all(slice.getStaticOffsets(), 0) && all(slice.getStaticStrides(), 1) &&
         slice.getSourceType().getRank() == slice.getType().getRank();
}

Value colo::placedValue(Value operand) {
  while (auto slice = operand.getDefiningOp<tensor::ExtractSliceOp>())
    operand = slice.getSource();
  return operand;
}

/// The coefficient of a dim in a sum; false if the dim is used in any other way.
static bool coefficientOf(AffineExpr expr, unsigned dim, int64_t &coefficient) {
  if (!expr.isFunctionOfDim(dim))
    return true;
  if (isa<AffineDimExpr>(expr)) {
    coefficient += 1;
    return true;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  if (binary.getKind() == AffineExprKind::Add)
    return coefficientOf(binary.getLHS(), dim, coefficient) && coefficientOf(binary.getRHS(), dim, coefficient);
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (binary.getKind() != AffineExprKind::Mul || !factor)
    return false;
  int64_t inner = 0;
  if (!coefficientOf(binary.getLHS(), dim, inner))
    return false;
  coefficient += inner * factor.getValue();
  return true;
}

/// What divides every address at which the innermost loop starts and from which it goes on one by one.
static int64_t startFactorOf(const Nest &nest, llvm::ArrayRef<AffineExpr> addresses, unsigned dims) {
  int64_t factor = 0;
  for (AffineExpr address : addresses) {
    int64_t step = 0;
    if (!coefficientOf(address, nest.loops.back().dim, step))
      return 1;
    if (step != 1)
      continue;
    for (const Loop &loop : llvm::ArrayRef(nest.loops).drop_back()) {
      int64_t outer = 0;
      if (!coefficientOf(address, loop.dim, outer))
        return 1;
      factor = std::gcd(factor, outer);
    }
    llvm::SmallVector<AffineExpr> zeros(dims, getAffineConstantExpr(0, address.getContext()));
    auto start = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(address.replaceDims(zeros), dims, 0));
    if (!start)
      return 1;
    factor = std::gcd(factor, start.getValue());
  }
  return std::max<int64_t>(factor, 1);
}

Nest colo::buildNest(linalg::GenericOp op, size_t rows, bool keepRows, const StorageMap &storage,
                     llvm::ArrayRef<llvm::SmallVector<int64_t>> resultStrides) {
  Nest nest;
  nest.op = op;
  llvm::SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  llvm::SmallVector<AffineExpr> addresses;
  llvm::SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  for (auto [i, operand] : llvm::enumerate(op.getDpsInputs())) {
    auto it = storage.find(placedValue(operand));
    // Operands that only give a shape have no place.
    if (it != storage.end() && !op.getBody()->getArgument(i).use_empty())
      addresses.push_back(addressOf(maps[i], it->second.scalar ? llvm::SmallVector<int64_t>(maps[i].getNumResults(), 0)
                                                               : it->second.strides));
  }
  for (auto [i, strides] : llvm::enumerate(resultStrides))
    addresses.push_back(addressOf(maps[op.getNumDpsInputs() + i], strides));
  llvm::DenseSet<unsigned> indexed;
  op.getBody()->walk([&](linalg::IndexOp index) { indexed.insert(index.getDim()); });

  auto merges = [&](const Loop &outer, unsigned inner, int64_t innerSize) {
    if (indexed.contains(outer.dim) || indexed.contains(inner))
      return false;
    return llvm::all_of(addresses, [&](AffineExpr address) {
      int64_t outerStep = 0, innerStep = 0;
      return coefficientOf(address, outer.dim, outerStep) && coefficientOf(address, inner, innerStep) &&
             outerStep == innerStep * innerSize;
    });
  };
  for (unsigned d = 0; d < sizes.size(); ++d) {
    bool reduced = op.getIteratorTypesArray()[d] == utils::IteratorType::reduction;
    if (sizes[d] == 1)
      continue;
    bool apart = nest.loops.empty() || nest.loops.back().reduced != reduced ||
                 (keepRows && (d < rows || nest.loops.back().dim < rows));
    if (!apart && merges(nest.loops.back(), d, sizes[d])) {
      // The outer dim is then always 0 and the inner one runs through both.
      nest.loops.back() = {d, nest.loops.back().size * sizes[d], reduced};
      continue;
    }
    nest.loops.push_back({d, sizes[d], reduced});
  }
  for (const Loop &loop : nest.loops)
    nest.rowLoops += loop.dim < rows;
  if (!nest.loops.empty())
    nest.startFactor = startFactorOf(nest, addresses, sizes.size());
  return nest;
}
