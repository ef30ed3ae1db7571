//===- Structural.cpp - shapes, positions, reductions and products -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each op as a loop over the coordinates of its result or operand.
//
//===----------------------------------------------------------------------===//

#include "ColoInterpreter.h"
#include "colo/Runtime/Philox.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace colo;
using namespace colo::test;

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

static DictionaryAttr entryOf(ArrayAttr positions, int64_t dim) {
  return positions ? dyn_cast<DictionaryAttr>(positions[dim]) : DictionaryAttr();
}

int64_t test::globalPosition(ArrayAttr positions, int64_t dim, int64_t j, int64_t localSize, const Machine &machine) {
  int64_t coordinate = 0, members = 1;
  DictionaryAttr entry = entryOf(positions, dim);
  if (entry)
    if (auto axes = entry.getAs<ArrayAttr>("axes"))
      for (Attribute axis : axes) {
        AxisPlace place = machine.axes.at(cast<StringAttr>(axis).getValue().str());
        coordinate = coordinate * place.size + place.index;
        members *= place.size;
      }
  auto blocks = entry ? entry.getAs<DenseI64ArrayAttr>("blocks") : DenseI64ArrayAttr();
  if (!blocks)
    return j + localSize * coordinate;
  int64_t each = blocks.size() / members, size = localSize / each;
  return blocks[coordinate * each + j / size] * size + j % size;
}

static int64_t globalSize(ArrayAttr positions, int64_t dim, int64_t localSize) {
  if (DictionaryAttr entry = entryOf(positions, dim))
    if (auto size = entry.getAs<IntegerAttr>("global"))
      return size.getInt();
  return localSize;
}

/// The random word of an element of a positioned shape.
static uint32_t wordOf(int64_t id, ArrayAttr positions, ArrayRef<int64_t> coordinates, ArrayRef<int64_t> shape,
                       const Machine &machine, int64_t layer) {
  uint64_t index = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    int64_t position =
        globalPosition(positions, d, coordinates[d], shape[d], machine) + (d == 0 ? machine.firstRow : 0);
    index = index * globalSize(positions, d, shape[d]) + position;
  }
  return runtime::randomWord(machine.seed, index, static_cast<uint32_t>(id << 16 | layer), machine.step);
}

double test::dropOut(double x, double rate, int64_t id, ArrayAttr positions, ArrayRef<int64_t> coordinates,
                     ArrayRef<int64_t> shape, const Machine &machine, int64_t layer) {
  uint32_t word = wordOf(id, positions, coordinates, shape, machine, layer);
  return word >= rate * 4294967296.0 ? x / (1.0 - rate) : 0.0;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

static Tensor random(RandomOp op, const Machine &machine, int64_t layer) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < result.size(); ++i) {
    uint32_t word = wordOf(op.getId(), op.getPositionsAttr(), unravel(i, result.shape), result.shape, machine, layer);
    result[i] = (word >> 8) / 16777216.0;
  }
  return result;
}

static Tensor iota(IotaOp op, const Machine &machine) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t at = unravel(i, result.shape)[op.getDim()];
    result[i] = globalPosition(op.getPositionsAttr(), op.getDim(), at, result.shape[op.getDim()], machine);
  }
  return result;
}

static Tensor broadcast(BroadcastOp op, const Tensor &x) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < result.size(); ++i) {
    Shape to = unravel(i, result.shape), from;
    for (int64_t dim : op.getDims())
      from.push_back(to[dim]);
    result[i] = x[ravel(from, x.shape)];
  }
  return result;
}

static Tensor reduce(ReduceOp op, const Tensor &x) {
  bool isSum = op.getKind() == ReduceKind::Sum;
  Tensor result = emptyLike(op.getResult());
  std::fill(result.data.begin(), result.data.end(), isSum ? 0.0 : -std::numeric_limits<double>::infinity());
  for (int64_t i = 0; i < x.size(); ++i) {
    Shape from = unravel(i, x.shape), to;
    for (int64_t d = 0; d < x.rank(); ++d)
      if (!llvm::is_contained(op.getDims(), d))
        to.push_back(from[d]);
    double &slot = result[ravel(to, result.shape)];
    slot = isSum ? slot + x[i] : std::max(slot, x[i]);
  }
  return result;
}

static Tensor transpose(TransposeOp op, const Tensor &x) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < result.size(); ++i) {
    Shape to = unravel(i, result.shape), from(to.size());
    for (size_t d = 0; d < to.size(); ++d)
      from[op.getPermutation()[d]] = to[d];
    result[i] = x[ravel(from, x.shape)];
  }
  return result;
}

/// Where element `part` of a window lies in the whole.
template <typename OpT> static int64_t inWhole(OpT op, const Shape &part, ArrayRef<int64_t> whole) {
  Shape at(part.size());
  for (size_t d = 0; d < part.size(); ++d)
    at[d] = op.getOffsets()[d] + part[d] * op.getStrides()[d];
  return ravel(at, whole);
}

static Tensor slice(SliceOp op, const Tensor &x) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < result.size(); ++i)
    result[i] = x[inWhole(op, unravel(i, result.shape), x.shape)];
  return result;
}

static Tensor pad(PadOp op, const Tensor &x) {
  Tensor result = emptyLike(op.getResult());
  for (int64_t i = 0; i < x.size(); ++i)
    result[inWhole(op, unravel(i, x.shape), result.shape)] = x[i];
  return result;
}

static Tensor concat(ConcatOp op, ArrayRef<Tensor> operands) {
  Tensor result = emptyLike(op.getResult());
  int64_t offset = 0;
  for (const Tensor &x : operands) {
    for (int64_t i = 0; i < x.size(); ++i) {
      Shape at = unravel(i, x.shape);
      at[op.getDim()] += offset;
      result[ravel(at, result.shape)] = x[i];
    }
    offset += x.shape[op.getDim()];
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Products and lookups
//===----------------------------------------------------------------------===//

static Tensor einsum(EinsumOp op, const Tensor &lhs, const Tensor &rhs) {
  EinsumSpec spec = parseEinsumSpec(op.getSpec());
  std::string letters = spec.result.str();
  for (char c : spec.lhs)
    if (letters.find(c) == std::string::npos)
      letters += c;
  Tensor result = emptyLike(op.getResult());
  Shape sizes;
  for (char c : letters) {
    size_t inLhs = spec.lhs.find(c);
    sizes.push_back(inLhs != StringRef::npos ? lhs.shape[inLhs] : rhs.shape[spec.rhs.find(c)]);
  }
  int64_t total = Tensor(sizes).size();
  for (int64_t i = 0; i < total; ++i) {
    Shape at = unravel(i, sizes);
    auto indexOf = [&](StringRef names, const Tensor &x) {
      Shape own;
      for (char c : names)
        own.push_back(at[letters.find(c)]);
      return ravel(own, x.shape);
    };
    result[indexOf(spec.result, result)] += lhs[indexOf(spec.lhs, lhs)] * rhs[indexOf(spec.rhs, rhs)];
  }
  return result;
}

/// Calls `visit(row of the table held here, row of the looked-up values)`.
template <typename Visit>
static void forEachLookup(ArrayAttr positions, const Tensor &ids, int64_t rows, const Machine &machine, Visit visit) {
  for (int64_t i = 0; i < ids.size(); ++i)
    for (int64_t row = 0; row < rows; ++row)
      if (globalPosition(positions, 0, row, rows, machine) == static_cast<int64_t>(ids[i]))
        visit(row, i);
}

static Tensor embedding(EmbeddingOp op, const Tensor &table, const Tensor &ids, const Machine &machine) {
  Tensor result = emptyLike(op.getResult());
  int64_t width = table.size() / table.shape[0];
  forEachLookup(op.getPositionsAttr(), ids, table.shape[0], machine, [&](int64_t row, int64_t i) {
    for (int64_t j = 0; j < width; ++j)
      result[i * width + j] = table[row * width + j];
  });
  return result;
}

static Tensor embeddingGrad(EmbeddingGradOp op, const Tensor &gradient, const Tensor &ids, const Machine &machine) {
  Tensor result = emptyLike(op.getResult());
  int64_t width = result.size() / result.shape[0];
  forEachLookup(op.getPositionsAttr(), ids, result.shape[0], machine, [&](int64_t row, int64_t i) {
    for (int64_t j = 0; j < width; ++j)
      result[row * width + j] += gradient[i * width + j];
  });
  return result;
}

static Tensor dropout(DropoutOp op, const Tensor &x, const Machine &machine, int64_t layer) {
  Tensor result(x.shape);
  for (int64_t i = 0; i < x.size(); ++i)
    result[i] = dropOut(x[i], op.getRate().convertToDouble(), op.getId(), op.getPositionsAttr(), unravel(i, x.shape),
                        x.shape, machine, layer);
  return result;
}

bool test::evaluateStructural(Operation *op, ArrayRef<Tensor> x, std::vector<Tensor> &results, const Machine &machine,
                              int64_t layer) {
  if (auto constant = dyn_cast<ConstantOp>(op))
    results.emplace_back(emptyLike(constant.getResult()).shape, constant.getValue().convertToDouble());
  else if (auto inverse = dyn_cast<InverseCountOp>(op))
    results.emplace_back(emptyLike(inverse.getResult()).shape, machine.inverseCounts.at(inverse.getTerm()));
  else if (auto iotaOp = dyn_cast<IotaOp>(op))
    results.push_back(iota(iotaOp, machine));
  else if (auto randomOp = dyn_cast<RandomOp>(op))
    results.push_back(random(randomOp, machine, layer));
  else if (auto dropoutOp = dyn_cast<DropoutOp>(op))
    results.push_back(dropout(dropoutOp, x[0], machine, layer));
  else if (auto broadcastOp = dyn_cast<BroadcastOp>(op))
    results.push_back(broadcast(broadcastOp, x[0]));
  else if (auto reduceOp = dyn_cast<ReduceOp>(op))
    results.push_back(reduce(reduceOp, x[0]));
  else if (auto transposeOp = dyn_cast<TransposeOp>(op))
    results.push_back(transpose(transposeOp, x[0]));
  else if (auto reshapeOp = dyn_cast<ReshapeOp>(op)) {
    results.push_back(x[0]);
    results.back().shape = emptyLike(reshapeOp.getResult()).shape;
  } else if (auto sliceOp = dyn_cast<SliceOp>(op))
    results.push_back(slice(sliceOp, x[0]));
  else if (auto padOp = dyn_cast<PadOp>(op))
    results.push_back(pad(padOp, x[0]));
  else if (auto concatOp = dyn_cast<ConcatOp>(op))
    results.push_back(concat(concatOp, x));
  else if (auto einsumOp = dyn_cast<EinsumOp>(op))
    results.push_back(einsum(einsumOp, x[0], x[1]));
  else if (auto embeddingOp = dyn_cast<EmbeddingOp>(op))
    results.push_back(embedding(embeddingOp, x[0], x[1], machine));
  else if (auto gradOp = dyn_cast<EmbeddingGradOp>(op))
    results.push_back(embeddingGrad(gradOp, x[0], x[1], machine));
  return !results.empty();
}
