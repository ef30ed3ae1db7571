//===- PlanProducts.cpp - einsums as rt.gemm -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operands are taken with the strides they have wherever a batched product can
// read them so. The result's own layout is free unless its place is given (a
// gradient, a destination); then, as a last resort, it is copied there.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Dialect/Dist/DistDialect.h"

using namespace mlir;
using namespace colo;

namespace {

Strides stridesOf(const Place &place) { return Strides(place.strides.begin(), place.strides.end()); }

/// Dims of `place`, whose letters are `letters`, in the order `order`.
SmallVector<int64_t> permutationTo(StringRef letters, StringRef order) {
  SmallVector<int64_t> permutation;
  for (char letter : order)
    permutation.push_back(letters.find(letter));
  return permutation;
}

/// A product that was found; an operand is packed with its letters in this order, or read as it is if that is empty.
struct Match {
  GemmShape shape;
  std::string lhsOrder, rhsOrder;
  Strides result;
};

/// The letters of a tensor from the outermost to the innermost in memory.
std::string memoryLetters(const Place &place, StringRef letters) { return inOrder(letters, place.memoryOrder()); }

/// The first way that works: without copies, then with one operand packed, the smaller first, then with both. A packed
/// operand has the letters that both hold in the order of the other; where that does not do, those of a matrix.
std::optional<Match> findMatch(const Contraction &c, const Place &lhs, const Place &rhs, ArrayRef<Strides> results) {
  EinsumSpec spec = c.getSpec();
  auto find = [&](StringRef lhsOrder, StringRef rhsOrder) -> std::optional<Match> {
    Strides a = lhsOrder.empty() ? stridesOf(lhs) : c.stridesFor(spec.lhs, lhsOrder);
    Strides b = rhsOrder.empty() ? stridesOf(rhs) : c.stridesFor(spec.rhs, rhsOrder);
    for (const Strides &result : results)
      if (std::optional<GemmShape> shape = c.match(a, b, result))
        return Match{*shape, lhsOrder.str(), rhsOrder.str(), result};
    return std::nullopt;
  };
  std::string lhsLike = reorderLetters(spec.lhs, memoryLetters(rhs, spec.rhs)), lhsPacked = c.packedLhs();
  std::string rhsLike = reorderLetters(spec.rhs, memoryLetters(lhs, spec.lhs)), rhsPacked = c.packedRhs();
  std::pair<StringRef, StringRef> ways[] = {{"", ""},      {lhsLike, ""},   {lhsPacked, ""},
                                            {"", rhsLike}, {"", rhsPacked}, {lhsPacked, rhsPacked}};
  if (rhs.elements() < lhs.elements())
    std::rotate(ways + 1, ways + 3, ways + 5);
  for (auto [lhsOrder, rhsOrder] : ways)
    if (std::optional<Match> match = find(lhsOrder, rhsOrder))
      return match;
  return std::nullopt;
}

void createGemm(OpBuilder &builder, Location loc, const GemmShape &shape, Value lhs, Value rhs, Value out,
                bool accumulate) {
  if (shape.swapped)
    std::swap(lhs, rhs);
  auto array = [&](ArrayRef<int64_t> values) { return builder.getDenseI64ArrayAttr(values); };
  builder.create<rt::GemmOp>(loc, lhs, rhs, out, array({shape.m, shape.n, shape.k}), array({shape.am, shape.ak}),
                             array({shape.bk, shape.bn}), array({shape.cm, shape.cn}), array(shape.batch),
                             array(shape.aBatch), array(shape.bBatch), array(shape.cBatch),
                             accumulate ? builder.getUnitAttr() : UnitAttr(), IntegerAttr());
}

/// What `use` makes of its value in place; null if it does not.
Value nextOfSum(OpOperand &use) {
  auto loop = dyn_cast<dist::LoopOp>(use.getOwner());
  if (!loop)
    return madeInPlace(use);
  unsigned before = loop.getOuter().size(), index = use.getOperandNumber() - before;
  if (use.getOperandNumber() < before || index >= loop.getCarried().size() || !loop.isInPlace(index))
    return {};
  return loop.getResult(index);
}

} // namespace

Value FunctionPlanner::endOfSum(Value value) {
  while (value.hasOneUse()) {
    Value next = nextOfSum(*value.use_begin());
    if (!next)
      break;
    value = next;
  }
  return value;
}

LogicalResult FunctionPlanner::planEinsum(EinsumOp op) {
  EinsumSpec spec = parseEinsumSpec(op.getSpec());
  Place lhs = placeOf(op.getLhs()), rhs = placeOf(op.getRhs());
  Contraction c(spec, lhs.shape, rhs.shape);
  Value sum = endOfSum(op.getResult());
  std::optional<Place> gradient = gradientUse(sum);
  bool given = gradient || op.getInto() || claimed.count(sum), accumulate = gradient || op.getInto();
  Place out = op.getInto() ? placeOf(op.getInto()) : gradient ? *gradient : allocate(sum);

  SmallVector<Strides> layouts{stridesOf(out)};
  Order order;
  if (!given) {
    layouts.push_back(c.stridesFor(spec.result, c.packedResult()));
    if ((order = orderOfResult(op, sum)))
      layouts.insert(layouts.begin(), stridesInOrder(out.shape, *order));
  }
  std::optional<Match> match = findMatch(c, lhs, rhs, layouts);
  Place target = out;
  if (!match) {
    match = findMatch(c, lhs, rhs, {c.stridesFor(spec.result, c.packedResult())});
    if (!match)
      return op.emitOpError("has more than four batch dims that do not collapse");
    target = temporary(out.shape, out.element);
  }
  target.strides.assign(match->result.begin(), match->result.end());

  auto pack = [&](const Place &place, StringRef letters, StringRef order) {
    Place view = transpose(place, permutationTo(letters, order));
    Place packed = temporary(view.shape, view.element);
    copy(view, packed, /*accumulate=*/false, op.getLoc());
    return packed;
  };
  Place a = match->lhsOrder.empty() ? lhs : pack(lhs, spec.lhs, match->lhsOrder);
  Place b = match->rhsOrder.empty() ? rhs : pack(rhs, spec.rhs, match->rhsOrder);
  bool direct = target.root == out.root;
  createGemm(builder, op.getLoc(), match->shape, use(a), use(b), use(target), direct && accumulate);
  if (!direct)
    copy(target, out, accumulate, op.getLoc());
  places[op.getResult()] = direct ? target : out;
  if (order && match->result == stridesInOrder(out.shape, *order))
    storedOrders[op.getResult()] = *order;
  return success();
}
