//===- EmitProduct.cpp - matrix products as einsums -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"

using namespace llvm;

namespace colo::model {
namespace {

/// Letters in the order of use: "bsh,oh->bso" would be "abc,dc->abd".
class Letters {
public:
  char next() { return static_cast<char>(count < 26 ? 'a' + count++ : 'A' + count++ - 26); }

private:
  int count = 0;
};

/// Reads through a transpose: an einsum takes its dims in any order.
mlir::Value lookThrough(mlir::Value value, std::string &letters) {
  while (auto transpose = value.getDefiningOp<TransposeOp>()) {
    std::string inner(letters.size(), ' ');
    for (auto [to, from] : enumerate(transpose.getPermutation()))
      inner[from] = letters[to];
    letters = inner;
    value = transpose.getInput();
  }
  return value;
}

} // namespace

Tensor Emitter::einsum(const Tensor &lhs, const Tensor &rhs, std::string left, std::string right,
                       const std::string &result, ArrayRef<Size> dims) {
  if (count_if(dims, [](const Size &dim) { return dim.batch; }) > 1)
    failOnSplit("a product of batch rows with batch rows");
  mlir::Value a = lookThrough(lhs.value, left), b = lookThrough(rhs.value, right);
  auto type = typeOf(dims, lhs.elementType());
  auto spec = importer.builder().getStringAttr(left + "," + right + "->" + result);
  return {importer.builder().create<EinsumOp>(loc, type, a, b, spec).getResult(), Dims(dims)};
}

Tensor Emitter::matmul(const Tensor &lhsIn, const Tensor &rhsIn) {
  Tensor lhs = toFloat(lhsIn), rhs = toFloat(rhsIn);
  if (lhs.rank() == 0 || rhs.rank() == 0)
    fail("'@' needs at least one dim on both sides: " + describeShape(lhs.dims) + " and " + describeShape(rhs.dims));
  bool isRowVector = lhs.rank() == 1, isColumnVector = rhs.rank() == 1;
  const Size &inner = lhs.dims.back();
  const Size &outer = rhs.dims[isColumnVector ? 0 : rhs.rank() - 2];
  if (inner.value != outer.value)
    fail("'@' multiplies the last dim of the left side, " + inner.describe() + ", with " + outer.describe() +
         " of the right side: " + describeShape(lhs.dims) + " @ " + describeShape(rhs.dims) + "; they must be equal");
  if (inner.batch || outer.batch)
    failOnSplit("a product that sums over batch rows");
  size_t leftLead = lhs.rank() - (isRowVector ? 1 : 2), rightLead = isColumnVector ? 0 : rhs.rank() - 2;
  Dims lead = commonShape(ArrayRef(lhs.dims).take_front(leftLead), ArrayRef(rhs.dims).take_front(rightLead), "@");

  // Leading dims that repeat are dropped from the side that repeats them.
  Letters letters;
  std::string leadLetters;
  for (size_t i = 0; i < lead.size(); ++i)
    leadLetters += letters.next();
  auto leading = [&](Tensor &side, size_t count) {
    std::string own;
    SmallVector<bool> dropped(side.rank(), false);
    for (size_t i = 0; i < count; ++i) {
      size_t at = lead.size() - count + i;
      dropped[i] = side.dims[i].value == 1 && lead[at].value != 1;
      if (!dropped[i])
        own += leadLetters[at];
    }
    side = dropUnitDims(side, dropped);
    return own;
  };
  std::string left = leading(lhs, leftLead), right = leading(rhs, rightLead), result = leadLetters;
  Dims dims = lead;
  if (!isRowVector) {
    left += letters.next();
    result += left.back();
    dims.push_back(lhs.dims[lhs.rank() - 2]);
  }
  left += letters.next();
  right += left.back();
  if (!isColumnVector) {
    right += letters.next();
    result += right.back();
    dims.push_back(rhs.dims.back());
  }
  return einsum(lhs, rhs, left, right, result, dims);
}

Tensor Emitter::linear(const Tensor &xIn, const Tensor &weight, int64_t contracted) {
  Tensor x = toFloat(xIn);
  auto wanted = ArrayRef(weight.dims).take_back(contracted);
  auto found = ArrayRef(x.dims).take_back(std::min<size_t>(contracted, x.rank()));
  bool fits = found.size() == wanted.size();
  for (size_t i = 0; fits && i < found.size(); ++i)
    fits = found[i].value == wanted[i].value;
  if (!fits && contracted == 1 && !found.empty())
    fail("the input's last dim is " + found[0].describe() + " against " + wanted[0].describe() +
         " input features; the input is " + x.describe());
  if (!fits)
    fail("the input's last dims must be " + describeShape(wanted) + ", the input features; the input is " +
         x.describe());
  if (any_of(found, [](const Size &dim) { return dim.batch; }))
    failOnSplit("a product that sums over batch rows");

  Letters letters;
  std::string left, right, result;
  Dims dims;
  for (size_t i = 0; i + contracted < x.rank(); ++i) {
    left += letters.next();
    dims.push_back(x.dims[i]);
  }
  result = left;
  std::string inner;
  for (int64_t i = 0; i < contracted; ++i)
    inner += letters.next();
  for (size_t i = 0; i + contracted < weight.rank(); ++i) {
    right += letters.next();
    dims.push_back(weight.dims[i]);
  }
  result += right;
  return einsum(x, weight, left + inner, right + inner, result, dims);
}

} // namespace colo::model
