//===- StorageOrder.cpp - which dim of a value lies outermost ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Collectives join and cut the outermost dim of contiguous memory. A value that
// is joined or cut along another dim, such as the sequence of [rows, sequence,
// features], would be copied as a whole on every rank. Instead it is stored
// with that dim outermost: then a gather copies at most the part that a rank
// sends, and a reduce_scatter nothing. What is computed from such a value, or for
// one, is stored in the same order, so that products read and write rows of one
// order and kernels do not go back and forth. Tensors that cross functions are
// row-major. A dim that would leave nothing contiguous inside it, such as the
// features, is never stored outermost.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

namespace {

using Order = std::optional<SmallVector<int64_t>>;

ArrayRef<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape(); }

/// Null for row-major.
Order permutation(StringRef letters, StringRef order) {
  if (letters == order)
    return std::nullopt;
  SmallVector<int64_t> dims;
  for (char letter : order)
    dims.push_back(letters.find(letter));
  return dims;
}

} // namespace

std::string colo::reorderLetters(StringRef letters, StringRef order) {
  std::string shared, result(letters);
  for (char letter : order)
    if (letters.contains(letter))
      shared += letter;
  auto next = shared.begin();
  for (char &letter : result)
    if (order.contains(letter))
      letter = *next++;
  return result;
}

std::string colo::inOrder(StringRef letters, ArrayRef<int64_t> order) {
  std::string result;
  for (int64_t dim : order)
    result += letters[dim];
  return result;
}

bool colo::isStoredOutermost(ArrayRef<int64_t> shape, int64_t dim) {
  auto isOne = [](int64_t size) { return size == 1; };
  return !llvm::all_of(shape.take_front(dim), isOne) && !llvm::all_of(shape.drop_front(dim + 1), isOne);
}

Order FunctionPlanner::orderForUse(OpOperand &use) {
  Value value = use.get();
  auto outermost = [&](ArrayRef<int64_t> shape, int64_t dim) -> Order {
    return isStoredOutermost(shape, dim) ? Order(frontOrder(shape.size(), dim)) : std::nullopt;
  };
  return llvm::TypeSwitch<Operation *, Order>(use.getOwner())
      .Case<dist::ReduceScatterOp>([&](auto op) { return outermost(shapeOf(value), op.getDim()); })
      .Case<dist::AllGatherOp>([&](auto op) {
        return claimed.count(op.getResult()) ? std::nullopt : outermost(shapeOf(op.getResult()), op.getDim());
      })
      .Case<EinsumOp>([&](EinsumOp op) -> Order {
        Order wanted = op.getInto() ? std::nullopt : wantedOrder(op.getResult());
        if (!wanted || value == op.getBias())
          return std::nullopt;
        if (value == op.getAddend() || value == op.getAux())
          return wanted;
        EinsumSpec spec = parseEinsumSpec(op.getSpec());
        StringRef letters = use.getOperandNumber() == 0 ? spec.lhs : spec.rhs;
        return permutation(letters, reorderLetters(letters, inOrder(spec.result, *wanted)));
      })
      .Case<rt::LaunchOp>([&](rt::LaunchOp op) -> Order {
        for (Value result : op.getResults())
          if (shapeOf(result) == shapeOf(value))
            if (Order wanted = wantedOrder(result))
              return wanted;
        return std::nullopt;
      })
      .Default([](Operation *) { return std::nullopt; });
}

Order FunctionPlanner::wantedOrder(Value value) {
  if (claimed.count(value))
    return std::nullopt;
  auto [it, fresh] = wantedOrders.try_emplace(value);
  if (!fresh)
    return it->second;
  Order order;
  for (OpOperand &use : value.getUses())
    if ((order = orderForUse(use)))
      break;
  return wantedOrders[value] = order;
}

Order FunctionPlanner::orderOfResult(rt::LaunchOp op, Value result) {
  if (Order wanted = wantedOrder(result))
    return wanted;
  for (Value input : op.getInputs())
    if (auto it = storedOrders.find(input); it != storedOrders.end() && shapeOf(input) == shapeOf(result))
      return it->second;
  return std::nullopt;
}

Order FunctionPlanner::orderOfResult(EinsumOp op, Value result) {
  if (Order wanted = wantedOrder(result))
    return wanted;
  for (Value alike : {op.getAddend(), op.getAux()})
    if (auto it = storedOrders.find(alike); it != storedOrders.end())
      return it->second;
  EinsumSpec spec = parseEinsumSpec(op.getSpec());
  for (auto [operand, letters] : {std::pair(op.getLhs(), StringRef(spec.lhs)), {op.getRhs(), StringRef(spec.rhs)}})
    if (auto it = storedOrders.find(operand); it != storedOrders.end())
      if (Order order = permutation(spec.result, reorderLetters(spec.result, inOrder(letters, it->second))))
        return order;
  return std::nullopt;
}

Place FunctionPlanner::allocateInOrder(Value value, const Order &order) {
  Place place = allocate(value);
  if (!order || claimed.count(value))
    return place;
  place.strides = stridesInOrder(place.shape, *order);
  storedOrders[value] = *order;
  return place;
}
