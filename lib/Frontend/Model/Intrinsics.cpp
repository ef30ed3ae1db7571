//===- Intrinsics.cpp - arguments and table of intrinsics -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Intrinsics.h"
#include "llvm/ADT/STLExtras.h"
#include <numeric>

using namespace llvm;

namespace colo::model {

Tensor Intrinsic::tensor(size_t i) {
  Tensor result = importer.tensor(value(i), place(i));
  if (result.isShare)
    fail(i, name + "() of a mean over the batch depends on how the batch is split; such a mean may only be added to "
                   "another one, scaled by a number and returned");
  return result;
}

Tensor Intrinsic::ids(size_t i) {
  Tensor result = tensor(i);
  if (!result.elementType().isInteger(32))
    fail(i, name + "() needs int32 ids here, not " + result.describe());
  return result;
}

int64_t Intrinsic::integer(size_t i, StringRef what) { return importer.integer(value(i), place(i), what); }
double Intrinsic::real(size_t i, StringRef what) { return importer.real(value(i), place(i), what); }

double Intrinsic::probability(size_t i, StringRef what) {
  double result = real(i, what);
  if (!(result >= 0 && result < 1))
    fail(i, what + " must be at least 0 and less than 1, not " + value(i).describe(), importer.whereSet(value(i)));
  return result;
}

bool Intrinsic::flag(size_t i, StringRef what) {
  auto *held = value(i).get<bool>();
  if (!held)
    fail(i, what + " must be True or False, not " + value(i).describe());
  return *held;
}

StringRef Intrinsic::text(size_t i, StringRef what, ArrayRef<StringRef> legal) {
  auto *held = value(i).get<std::string>();
  if (!held || !is_contained(legal, *held))
    fail(i, what + " must be " + joinNames(legal, "or", /*quote=*/true) + ", not " + value(i).describe());
  return *held;
}

int64_t Intrinsic::dim(size_t i, const Tensor &x) {
  int64_t at = integer(i, "dim"), rank = x.rank();
  if (at < -rank || at >= rank)
    fail(i, "dim " + Twine(at) + " does not exist in " + x.describe() +
                (rank ? "; legal are " + Twine(-rank) + " to " + Twine(rank - 1) : Twine("; it is a scalar")));
  return at < 0 ? at + rank : at;
}

SmallVector<int64_t> Intrinsic::dims(size_t i, const Tensor &x) {
  SmallVector<int64_t> result;
  if (isNone(i)) {
    result.resize(x.rank());
    std::iota(result.begin(), result.end(), 0);
    return result;
  }
  if (ListValue *list = value(i).list()) {
    for (const Value &element : list->elements) {
      BoundArgument one{element, place(i)};
      result.push_back(Intrinsic(importer, name, one, loc).dim(0, x));
    }
  } else {
    result.push_back(dim(i, x));
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    fail(i, "a dim is named twice");
  return result;
}

Dims Intrinsic::sizes(size_t i, StringRef what) {
  Dims result;
  auto add = [&](const Value &element) {
    importer.integer(element, place(i), what);
    result.push_back(*element.get<Size>());
  };
  if (ListValue *list = value(i).list())
    for_each(list->elements, add);
  else
    add(value(i));
  return result;
}

Value runIntrinsic(Importer &importer, StringRef name, ArrayRef<BoundArgument> arguments, SMLoc loc) {
  static const IntrinsicTable table = [] {
    IntrinsicTable result;
    addStaticIntrinsics(result);
    addElementwiseIntrinsics(result);
    addShapeIntrinsics(result);
    addLayerIntrinsics(result);
    return result;
  }();
  auto found = table.find(name);
  if (found == table.end())
    importer.fail(loc, name + "() is not supported yet");
  Intrinsic call(importer, name, arguments, loc);
  return found->second(call);
}

} // namespace colo::model
