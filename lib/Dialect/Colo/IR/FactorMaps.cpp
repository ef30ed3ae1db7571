//===- FactorMaps.cpp - factors, positions and flops of ops -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ShardingRuleOpInterface, PositionalOpInterface and CostOpInterface of every
// op that declares them. A rule is a fact of the op, whatever the mesh: a
// parallel factor is in every result, a result that lacks a cut Sum or Max
// factor is partial over its axes. Shapes are read from the types as they are,
// so that the rules hold for padded and for local shapes alike.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/IR/TypeUtilities.h"
#include <numeric>

using namespace mlir;
using namespace colo;

static ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

namespace {
/// Collects factors and tensors of one op in operand and result order.
class MapBuilder {
public:
  int factor(int64_t size, FactorKind kind = FactorKind::Parallel) {
    map.factors.push_back({size, kind});
    return static_cast<int>(map.factors.size()) - 1;
  }

  /// One factor of `kind` for each size.
  TensorFactors factors(ArrayRef<int64_t> sizes, FactorKind kind = FactorKind::Parallel) {
    TensorFactors dims;
    for (int64_t size : sizes)
      dims.push_back({factor(size, kind)});
    return dims;
  }

  MapBuilder &operand(TensorFactors dims) {
    map.operands.push_back(std::move(dims));
    return *this;
  }
  MapBuilder &result(TensorFactors dims) {
    map.results.push_back(std::move(dims));
    return *this;
  }

  /// Exactly one of `operands` may be a partial sum.
  FactorMap linearInOneOf(std::initializer_list<unsigned> operands) {
    for (unsigned i : operands)
      map.linearOperands |= 1u << i;
    return std::move(map);
  }
  /// The operands from `first` on may be partial sums, all over the same axes.
  FactorMap linearInAll(unsigned first = 0) {
    for (unsigned i = first; i < map.operands.size(); ++i)
      map.linearOperands |= 1u << i;
    map.allPartialAlike = true;
    return std::move(map);
  }
  FactorMap nonlinear() { return std::move(map); }

private:
  FactorMap map;
};
} // namespace

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// Every operand and the result have the same factors.
static MapBuilder elementwise(Operation *op) {
  MapBuilder builder;
  TensorFactors dims = builder.factors(shapeOf(op->getResult(0)));
  for (size_t i = 0; i < op->getNumOperands(); ++i)
    builder.operand(dims);
  builder.result(dims);
  return builder;
}

#define COLO_NONLINEAR(OP)                                                                                             \
  FactorMap OP::getFactorMap() { return elementwise(*this).nonlinear(); }
COLO_NONLINEAR(AbsOp)
COLO_NONLINEAR(ExpOp)
COLO_NONLINEAR(LogOp)
COLO_NONLINEAR(SqrtOp)
COLO_NONLINEAR(RsqrtOp)
COLO_NONLINEAR(CosOp)
COLO_NONLINEAR(SinOp)
COLO_NONLINEAR(TanhOp)
COLO_NONLINEAR(SigmoidOp)
COLO_NONLINEAR(ErfOp)
COLO_NONLINEAR(ReluOp)
COLO_NONLINEAR(SiluOp)
COLO_NONLINEAR(GeluOp)
COLO_NONLINEAR(PowerOp)
COLO_NONLINEAR(MaximumOp)
COLO_NONLINEAR(AndOp)
COLO_NONLINEAR(CompareOp)
#undef COLO_NONLINEAR

FactorMap NegOp::getFactorMap() { return elementwise(*this).linearInAll(); }
FactorMap StopGradientOp::getFactorMap() { return elementwise(*this).linearInAll(); }
FactorMap DropoutOp::getFactorMap() { return elementwise(*this).linearInAll(); }
FactorMap AddOp::getFactorMap() { return elementwise(*this).linearInAll(); }
FactorMap SubOp::getFactorMap() { return elementwise(*this).linearInAll(); }
FactorMap SelectOp::getFactorMap() { return elementwise(*this).linearInAll(/*first=*/1); }
FactorMap MulOp::getFactorMap() { return elementwise(*this).linearInOneOf({0, 1}); }
FactorMap DivOp::getFactorMap() { return elementwise(*this).linearInOneOf({0}); }
FactorMap GeluGradOp::getFactorMap() { return elementwise(*this).linearInOneOf({1}); }
FactorMap SiluGradOp::getFactorMap() { return elementwise(*this).linearInOneOf({1}); }

FactorMap ConvertOp::getFactorMap() {
  MapBuilder builder = elementwise(*this);
  bool isLinear = isa<FloatType>(getElementTypeOrSelf(getInput())) && isa<FloatType>(getElementTypeOrSelf(getResult()));
  return isLinear ? builder.linearInAll() : builder.nonlinear();
}

FactorMap ConstantOp::getFactorMap() { return elementwise(*this).nonlinear(); }
FactorMap IotaOp::getFactorMap() { return elementwise(*this).nonlinear(); }
FactorMap RandomOp::getFactorMap() { return elementwise(*this).nonlinear(); }

//===----------------------------------------------------------------------===//
// Shape ops
//===----------------------------------------------------------------------===//

FactorMap BroadcastOp::getFactorMap() {
  MapBuilder builder;
  TensorFactors out = builder.factors(shapeOf(getResult())), in;
  for (int64_t dim : getDims())
    in.push_back(out[dim]);
  return builder.operand(in).result(out).linearInAll();
}

FactorMap ReduceOp::getFactorMap() {
  MapBuilder builder;
  FactorKind reduction = getKind() == ReduceKind::Sum ? FactorKind::Sum : FactorKind::Max;
  TensorFactors in, out;
  for (auto [dim, size] : llvm::enumerate(shapeOf(getInput()))) {
    bool isReduced = llvm::is_contained(getDims(), static_cast<int64_t>(dim));
    in.push_back({builder.factor(size, isReduced ? reduction : FactorKind::Parallel)});
    if (!isReduced)
      out.push_back(in.back());
  }
  builder.operand(in).result(out);
  return getKind() == ReduceKind::Sum ? builder.linearInAll() : builder.nonlinear();
}

FactorMap TransposeOp::getFactorMap() {
  MapBuilder builder;
  TensorFactors in = builder.factors(shapeOf(getInput())), out;
  for (int64_t dim : getPermutation())
    out.push_back(in[dim]);
  return builder.operand(in).result(out).linearInAll();
}

namespace {
/// Walks the dims of a tensor major to minor, handing out their factors.
struct DimCursor {
  explicit DimCursor(ArrayRef<int64_t> shape) : shape(shape), dims(shape.size()) { startDim(); }

  bool atEnd() const { return dim == shape.size(); }
  bool atUnit() const { return !atEnd() && shape[dim] == 1; }
  void startDim() {
    if (!atEnd())
      rest = shape[dim];
  }
  void skipUnits() {
    while (atUnit()) {
      ++dim;
      startDim();
    }
  }
  void take(int factor, int64_t size) {
    dims[dim].push_back(factor);
    rest /= size;
    if (rest == 1) {
      ++dim;
      startDim();
    }
  }

  ArrayRef<int64_t> shape;
  TensorFactors dims;
  size_t dim = 0;
  int64_t rest = 1; ///< what remains of the current dim
};
} // namespace

/// Shared factors are split off major to minor as long as sizes have a common
/// divisor. From where they have none, dims stay whole until both sides have
/// covered the same number of elements. Dims of size 1 that both sides have in one place are the same dim.
FactorMap ReshapeOp::getFactorMap() {
  MapBuilder builder;
  DimCursor in(shapeOf(getInput())), out(shapeOf(getResult()));
  while (true) {
    while (in.atUnit() && out.atUnit()) {
      int shared = builder.factor(1);
      in.take(shared, 1);
      out.take(shared, 1);
    }
    in.skipUnits();
    out.skipUnits();
    if (in.atEnd() || out.atEnd())
      break;
    int64_t common = std::gcd(in.rest, out.rest);
    if (common > 1) {
      int shared = builder.factor(common);
      in.take(shared, common);
      out.take(shared, common);
      continue;
    }
    int64_t covered[2] = {1, 1};
    do {
      bool outBehind = covered[1] < covered[0];
      DimCursor &behind = outBehind ? out : in;
      behind.skipUnits();
      int64_t size = behind.rest;
      covered[outBehind] *= size;
      behind.take(builder.factor(size, FactorKind::Replicated), size);
    } while (covered[0] != covered[1]);
  }
  return builder.operand(in.dims).result(out.dims).linearInAll();
}

/// Slice and pad: a dim that the window leaves alone is parallel.
static FactorMap windowMap(ArrayRef<int64_t> in, ArrayRef<int64_t> out) {
  MapBuilder builder;
  TensorFactors inDims, outDims;
  for (auto [inSize, outSize] : llvm::zip(in, out)) {
    FactorKind kind = inSize == outSize ? FactorKind::Parallel : FactorKind::Replicated;
    inDims.push_back({builder.factor(inSize, kind)});
    outDims.push_back(inSize == outSize ? inDims.back() : DimFactors{builder.factor(outSize, kind)});
  }
  return builder.operand(inDims).result(outDims).linearInAll();
}

FactorMap SliceOp::getFactorMap() { return windowMap(shapeOf(getInput()), shapeOf(getResult())); }
FactorMap PadOp::getFactorMap() { return windowMap(shapeOf(getInput()), shapeOf(getResult())); }

FactorMap ConcatOp::getFactorMap() {
  MapBuilder builder;
  int64_t joined = getDim();
  TensorFactors out = builder.factors(shapeOf(getResult()));
  int joinedFactor = out[joined].front();
  for (Value input : getInputs()) {
    TensorFactors in = out;
    in[joined] = {builder.factor(shapeOf(input)[joined], FactorKind::Replicated)};
    builder.operand(in);
  }
  FactorMap map = builder.result(out).linearInAll();
  map.factors[joinedFactor].kind = FactorKind::Replicated;
  return map;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

FactorMap EinsumOp::getFactorMap() {
  MapBuilder builder;
  EinsumSpec spec = parseEinsumSpec(getSpec());
  llvm::SmallDenseMap<char, int> factorOf;
  auto tensor = [&](StringRef letters, Value value) {
    TensorFactors dims;
    for (auto [letter, size] : llvm::zip(letters, shapeOf(value))) {
      auto [it, isNew] = factorOf.try_emplace(letter, -1);
      if (isNew)
        it->second = builder.factor(size, spec.result.contains(letter) ? FactorKind::Parallel : FactorKind::Sum);
      dims.push_back({it->second});
    }
    return dims;
  };
  builder.operand(tensor(spec.lhs, getLhs())).operand(tensor(spec.rhs, getRhs()));
  if (getInto())
    builder.operand(tensor(spec.result, getInto()));
  if (getBias())
    builder.operand(tensor(spec.result.take_back(shapeOf(getBias()).size()), getBias()));
  if (getAddend())
    builder.operand(tensor(spec.result, getAddend()));
  if (getAux())
    builder.operand(tensor(spec.result, getAux()));
  builder.result(tensor(spec.result, getResult()));
  if (getSums()) {
    std::string kept;
    for (char letter : *getSummed() ? spec.rhs : spec.lhs)
      if (spec.result.contains(letter))
        kept += letter;
    builder.result(tensor(kept, getSums()));
  }
  if (getArgument())
    builder.result(tensor(spec.result, getArgument()));
  return builder.linearInOneOf({0, 1});
}

static int64_t productOfFactors(const FactorMap &map) {
  int64_t n = 1;
  for (const Factor &factor : map.factors)
    n *= factor.size;
  return n;
}

int64_t EinsumOp::getFlops() { return 2 * productOfFactors(getFactorMap()); }
/// Scores and their product with the values.
int64_t AttentionOp::getFlops() { return 4 * productOfFactors(getFactorMap()); }
/// Scores again, the probabilities' gradient, and one product for each of the
/// three operands.
int64_t AttentionGradOp::getFlops() { return 10 * productOfFactors(getFactorMap()); }

//===----------------------------------------------------------------------===//
// Normalisations over the last dim
//===----------------------------------------------------------------------===//

namespace {
/// The factors of [..., n] with the last dim whole.
struct RowFactors {
  RowFactors(MapBuilder &builder, ArrayRef<int64_t> shape) : rows(builder.factors(shape.drop_back())), full(rows) {
    full.push_back({builder.factor(shape.back(), FactorKind::Replicated)});
  }
  TensorFactors rows, full;
};
} // namespace

FactorMap SoftmaxOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getInput()));
  return builder.operand(dims.full).result(dims.full).nonlinear();
}

FactorMap SoftmaxGradOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getOutput()));
  return builder.operand(dims.full).operand(dims.full).result(dims.full).linearInOneOf({1});
}

FactorMap LayerNormOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getInput()));
  return builder.operand(dims.full).result(dims.full).result(dims.rows).result(dims.rows).nonlinear();
}

FactorMap LayerNormGradOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getInput()));
  builder.operand(dims.full).operand(dims.rows).operand(dims.rows).operand(dims.full);
  return builder.result(dims.full).linearInOneOf({3});
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Query heads are [key heads, queries of one key head], so that cutting key
/// heads cuts query heads alike. `summed` is what the factors that key and
/// value lack mean: the backward op sums their gradients over them.
struct AttentionFactors {
  AttentionFactors(MapBuilder &builder, Value query, Value key, FactorKind summed) {
    ArrayRef<int64_t> q = shapeOf(query), k = shapeOf(key);
    int b = builder.factor(q[0]), s = builder.factor(q[1], summed), t = builder.factor(k[1], FactorKind::Ring);
    int c = builder.factor(k[2]), d = builder.factor(q[3], FactorKind::Replicated);
    DimFactors heads{c};
    if (q[2] != k[2])
      heads.push_back(builder.factor(q[2] / k[2], summed));
    this->query = {{b}, {s}, heads, {d}};
    this->key = {{b}, {t}, {c}, {d}};
    lse = {{b}, heads, {s}};
    mask = {{b}, {t}};
  }
  TensorFactors query, key, lse, mask;
};
} // namespace

FactorMap AttentionOp::getFactorMap() {
  MapBuilder builder;
  AttentionFactors dims(builder, getQuery(), getKey(), FactorKind::Parallel);
  builder.operand(dims.query).operand(dims.key).operand(dims.key);
  if (getMask())
    builder.operand(dims.mask);
  if (!getInto().empty())
    builder.operand(dims.query).operand(dims.lse);
  return builder.result(dims.query).result(dims.lse).nonlinear();
}

FactorMap AttentionGradOp::getFactorMap() {
  MapBuilder builder;
  AttentionFactors dims(builder, getQuery(), getKey(), FactorKind::Sum);
  builder.operand(dims.query).operand(dims.key).operand(dims.key);
  builder.operand(dims.lse).operand(dims.query);
  if (getDelta())
    builder.operand(dims.lse);
  if (getMask())
    builder.operand(dims.mask);
  if (getDquerySum())
    builder.operand(dims.query);
  if (getDkeySum())
    builder.operand(dims.key).operand(dims.key);
  // Delta is linear in the gradient, but not its own part of a sum.
  return builder.result(dims.query).result(dims.key).result(dims.key).nonlinear();
}

//===----------------------------------------------------------------------===//
// Lookups
//===----------------------------------------------------------------------===//

static TensorFactors joined(TensorFactors dims, const TensorFactors &more) {
  llvm::append_range(dims, more);
  return dims;
}

/// A rank that holds some rows gives 0 for all others: the rows are summed.
FactorMap EmbeddingOp::getFactorMap() {
  MapBuilder builder;
  TensorFactors ids = builder.factors(shapeOf(getIds()));
  TensorFactors row = builder.factors(shapeOf(getTable()).drop_front());
  TensorFactors rows = builder.factors(shapeOf(getTable()).take_front(), FactorKind::Sum);
  return builder.operand(joined(rows, row)).operand(ids).result(joined(ids, row)).linearInOneOf({0});
}

FactorMap EmbeddingGradOp::getFactorMap() {
  MapBuilder builder;
  TensorFactors ids = builder.factors(shapeOf(getIds()), FactorKind::Sum);
  TensorFactors row = builder.factors(shapeOf(getResult()).drop_front());
  TensorFactors rows = builder.factors(shapeOf(getResult()).take_front());
  return builder.operand(joined(ids, row)).operand(ids).result(joined(rows, row)).linearInOneOf({0});
}

//===----------------------------------------------------------------------===//
// Losses
//===----------------------------------------------------------------------===//

FactorMap CrossEntropyOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getLogits()));
  builder.operand(dims.full).operand(dims.rows);
  return builder.result(dims.rows).result(dims.rows).result(dims.rows).nonlinear();
}

FactorMap CrossEntropyGradOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getLogits()));
  builder.operand(dims.full).operand(dims.rows).operand(dims.rows).operand(dims.rows);
  return builder.result(dims.full).linearInOneOf({3});
}

FactorMap CorrectOp::getFactorMap() {
  MapBuilder builder;
  RowFactors dims(builder, shapeOf(getLogits()));
  return builder.operand(dims.full).operand(dims.rows).result(dims.rows).result(dims.rows).nonlinear();
}

FactorMap WeightedMeanOp::getFactorMap() {
  MapBuilder builder;
  TensorFactors dims = builder.factors(shapeOf(getValues()), FactorKind::Sum);
  return builder.operand(dims).operand(dims).result({}).linearInOneOf({0});
}

//===----------------------------------------------------------------------===//
// Positions
//===----------------------------------------------------------------------===//

Value IotaOp::getPositionedValue() { return getResult(); }
Value RandomOp::getPositionedValue() { return getResult(); }
Value DropoutOp::getPositionedValue() { return getResult(); }
Value EmbeddingOp::getPositionedValue() { return getTable(); }
Value EmbeddingGradOp::getPositionedValue() { return getResult(); }
bool EmbeddingOp::needsContiguousRows() { return true; }
bool EmbeddingGradOp::needsContiguousRows() { return true; }
/// [b,a,s] of the probabilities; the keys, their last dim, are whole.
Value AttentionOp::getPositionedValue() { return getLse(); }
Value AttentionGradOp::getPositionedValue() { return getLse(); }

SmallVector<int64_t> IotaOp::getPositionedShape() { return SmallVector<int64_t>(shapeOf(getResult())); }
SmallVector<int64_t> RandomOp::getPositionedShape() { return SmallVector<int64_t>(shapeOf(getResult())); }
SmallVector<int64_t> DropoutOp::getPositionedShape() { return SmallVector<int64_t>(shapeOf(getResult())); }
SmallVector<int64_t> EmbeddingOp::getPositionedShape() { return SmallVector<int64_t>(shapeOf(getTable())); }
SmallVector<int64_t> EmbeddingGradOp::getPositionedShape() { return SmallVector<int64_t>(shapeOf(getResult())); }

static SmallVector<int64_t> probabilityShape(Value lse, Value key) {
  SmallVector<int64_t> shape(shapeOf(lse));
  shape.push_back(shapeOf(key)[1]);
  return shape;
}
SmallVector<int64_t> AttentionOp::getPositionedShape() { return probabilityShape(getLse(), getKey()); }
SmallVector<int64_t> AttentionGradOp::getPositionedShape() { return probabilityShape(getLse(), getKey()); }
