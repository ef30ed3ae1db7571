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
// What a product adds before it writes its result is read as a library takes it: a
// bias along the result's contiguous dim, another value with the result's strides.
// Where they lie otherwise a kernel puts them where the product is then added; so is
// what an activation reads, or writes beside the result, copied where it may not start
// as libraries want it. Sums of an operand are one of the product's dims, along which the
// operand is contiguous; operands are packed where they are not.
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

/// With copies of both operands and a packed result: every group is one dim, which is always a product. Where sums are
/// asked for they are contiguous in either.
Match packedMatch(const Contraction &c, const Strides &result, bool hasSums) {
  EinsumSpec spec = c.getSpec();
  std::string lhs = hasSums ? c.turnedLhs() : c.packedLhs(), rhs = c.packedRhs();
  return {*c.match(c.stridesFor(spec.lhs, lhs), c.stridesFor(spec.rhs, rhs), result), lhs, rhs, result};
}

void createGemm(OpBuilder &builder, Location loc, const GemmShape &shape, Value lhs, Value rhs, Value out,
                const ProductEpilogue &epilogue) {
  if (shape.swapped)
    std::swap(lhs, rhs);
  IntegerAttr summed;
  if (epilogue.sums)
    summed = builder.getI64IntegerAttr(epilogue.summed != shape.swapped);
  auto array = [&](ArrayRef<int64_t> values) { return builder.getDenseI64ArrayAttr(values); };
  builder.create<rt::GemmOp>(loc, lhs, rhs, out, epilogue.bias, epilogue.addend, epilogue.sums, epilogue.aux, summed,
                             epilogue.activation, array({shape.m, shape.n, shape.k}), array({shape.am, shape.ak}),
                             array({shape.bk, shape.bn}), array({shape.cm, shape.cn}), array(shape.batch),
                             array(shape.aBatch), array(shape.bBatch), array(shape.cBatch),
                             epilogue.accumulate ? builder.getUnitAttr() : UnitAttr(), IntegerAttr());
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

namespace {

/// Whether all elements lie at these distances; a stride of a dim of size 1 means nothing.
bool liesAs(const Place &place, ArrayRef<int64_t> strides) {
  return llvm::all_of(llvm::zip(place.shape, place.strides, strides), [](auto dim) {
    auto [size, stride, wanted] = dim;
    return size == 1 || stride == wanted;
  });
}

/// A bias as a tensor of the result's shape, whose elements are read again for each row.
Place repeated(const Place &bias, ArrayRef<int64_t> shape) {
  Place all = bias;
  all.strides.insert(all.strides.begin(), shape.size() - bias.shape.size(), 0);
  all.shape.assign(shape.begin(), shape.end());
  return all;
}

/// Whether the sums of `op`, contiguous, are the dim m or n of the product, along which the operand is contiguous, too.
bool sumsFit(EinsumOp op, const Contraction &c, const Match &match) {
  bool isRight = *op.getSummed() != match.shape.swapped;
  if ((isRight ? match.shape.bn : match.shape.am) != 1)
    return false;
  EinsumSpec spec = c.getSpec();
  StringRef letters = *op.getSummed() ? spec.rhs : spec.lhs;
  int64_t stride = isRight ? match.shape.cn : match.shape.cm, length = 1;
  for (char letter : llvm::reverse(spec.result)) {
    if (!letters.contains(letter) || c.size(letter) == 1)
      continue;
    if (match.result[spec.result.find(letter)] != stride * length)
      return false;
    length *= c.size(letter);
  }
  return match.shape.batch.empty() && length == (isRight ? match.shape.n : match.shape.m);
}

/// Whether something else lies as the result.
bool hasAux(EinsumOp op) { return op.getAux() || op.getArgument(); }

/// Whether memory with these strides has no gaps.
bool isPacked(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides) {
  int64_t elements = 1, last = 0;
  for (auto [size, stride] : llvm::zip(shape, strides))
    elements *= size, last += (size - 1) * stride;
  return last + 1 == elements;
}

/// Whether the product can do what is asked for beside it: sums are one of its dims; what an activation reads or
/// writes, as the result lies, libraries take eight elements at a time, one whole product of a batch behind another.
bool epilogueFits(EinsumOp op, const Contraction &c, const Match &match) {
  if (op.getSums() && !sumsFit(op, c, match))
    return false;
  const GemmShape &shape = match.shape;
  auto isBehind = [&](int64_t stride) { return stride % 8 == 0 && stride >= shape.m * shape.cm; };
  return !hasAux(op) ||
         (shape.cm % 8 == 0 && llvm::all_of(shape.cBatch, isBehind) && isPacked(op.getType().getShape(), match.result));
}

/// What is done to the product last.
rt::Activation activationOf(Epilogue epilogue) {
  switch (epilogue) {
  case Epilogue::GeluGrad:
    return rt::Activation::GeluGrad;
  case Epilogue::Gelu:
    return rt::Activation::Gelu;
  case Epilogue::Relu:
    return rt::Activation::Relu;
  case Epilogue::Bias:
  case Epilogue::Plus:
  case Epilogue::Sums:
    break;
  }
  llvm_unreachable("the verifier lets no other epilogue be an activation");
}

} // namespace

ProductEpilogue FunctionPlanner::planEpilogue(EinsumOp op, const GemmShape &shape, const Place &target,
                                              bool accumulate) {
  ProductEpilogue epilogue;
  epilogue.accumulate = accumulate;
  auto putFirst = [&](const Place &place) {
    copy(place, target, epilogue.accumulate, op.getLoc());
    epilogue.accumulate = true;
  };
  auto alike = [&](Place place) {
    place.strides = target.strides;
    return use(place);
  };
  if (op.getBias()) {
    Place vector = contiguous(placeOf(op.getBias()), op.getLoc());
    if (vector.elements() == shape.n && liesAs(vector, ArrayRef(target.strides).take_back(vector.shape.size())))
      epilogue.bias = use(vector);
    else
      putFirst(repeated(vector, target.shape));
  }
  if (op.getAddend() && !epilogue.accumulate && liesAs(placeOf(op.getAddend()), target.strides)) {
    epilogue.addend = alike(placeOf(op.getAddend()));
  } else if (op.getAddend()) {
    putFirst(placeOf(op.getAddend()));
  }
  if (op.getActivation())
    epilogue.activation = rt::ActivationAttr::get(op.getContext(), activationOf(*op.getActivation()));
  auto fits = [&](const Place &place) { return liesAs(place, target.strides) && startsAligned(place); };
  auto temporaryAlike = [&] {
    Place packed = temporary(target.shape, target.element);
    packed.strides = target.strides;
    return packed;
  };
  if (op.getAux()) {
    Place aux = placeOf(op.getAux());
    if (!fits(aux)) {
      aux = temporaryAlike();
      copy(placeOf(op.getAux()), aux, /*accumulate=*/false, op.getLoc());
    }
    epilogue.aux = alike(aux);
  }
  if (Value argument = op.getArgument()) {
    auto claim = claimed.find(argument);
    places[argument] = claim != claimed.end() && fits(claim->second) ? claim->second : temporaryAlike();
    epilogue.aux = alike(placeOf(argument));
  }
  if (Value sums = op.getSums()) {
    auto type = cast<RankedTensorType>(sums.getType());
    places[sums] = gradientUse(sums) ? temporary(type.getShape(), type.getElementType()) : allocateContiguous(sums);
    epilogue.sums = use(placeOf(sums));
    epilogue.summed = *op.getSummed() != 0;
  }
  return epilogue;
}

void FunctionPlanner::finishEpilogue(EinsumOp op) {
  if (auto claim = claimed.find(op.getArgument());
      claim != claimed.end() && placeOf(claim->first).root != claim->second.root) {
    copy(placeOf(claim->first), claim->second, /*accumulate=*/false, op.getLoc());
    places[claim->first] = claim->second;
  }
  if (std::optional<Place> total = op.getSums() ? gradientUse(op.getSums()) : std::nullopt)
    copy(placeOf(op.getSums()), *total, /*accumulate=*/true, op.getLoc());
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
    // What is written beside the result lies as it does, and may have its place.
    if (!(op.getArgument() && claimed.count(op.getArgument())) && (order = orderOfResult(op, sum)))
      layouts.insert(layouts.begin(), stridesInOrder(out.shape, *order));
    for (size_t i = 0; i < layouts.size(); ++i)
      if (Strides apart = withPitch(op.getResult(), layouts[i]); apart != layouts[i])
        layouts.insert(layouts.begin() + i++, apart);
  }
  std::optional<Match> match = findMatch(c, lhs, rhs, layouts);
  Place target = out;
  // An activation is of what the product adds up, not of what it is added to.
  if (match && (!epilogueFits(op, c, *match) || (op.getActivation() && accumulate)))
    match = std::nullopt;
  if (!match) {
    Strides result = c.stridesFor(spec.result, c.packedResult());
    if (!op.getSums() && !hasAux(op))
      match = findMatch(c, lhs, rhs, {result});
    if (!match)
      match = packedMatch(c, result, op.getSums() != nullptr);
    target = temporary(out.shape, out.element);
  }
  if (given)
    target.strides = match->result;
  else
    layOut(target, match->result);

  auto pack = [&](const Place &place, StringRef letters, StringRef order) {
    Place view = transpose(place, permutationTo(letters, order));
    Place packed = temporary(view.shape, view.element);
    copy(view, packed, /*accumulate=*/false, op.getLoc());
    return packed;
  };
  Place a = match->lhsOrder.empty() ? lhs : pack(lhs, spec.lhs, match->lhsOrder);
  Place b = match->rhsOrder.empty() ? rhs : pack(rhs, spec.rhs, match->rhsOrder);
  bool direct = target.root == out.root;
  ProductEpilogue epilogue = planEpilogue(op, match->shape, target, direct && accumulate);
  createGemm(builder, op.getLoc(), match->shape, use(a), use(b), use(target), epilogue);
  finishEpilogue(op);
  if (!direct)
    copy(target, out, accumulate, op.getLoc());
  places[op.getResult()] = direct ? target : out;
  Strides ordered = order ? stridesInOrder(out.shape, *order) : Strides();
  if (order && (match->result == ordered || match->result == withPitch(op.getResult(), ordered)))
    for (Value value : {op.getResult(), op.getArgument()})
      if (value)
        storedOrders[value] = *order;
  return success();
}
