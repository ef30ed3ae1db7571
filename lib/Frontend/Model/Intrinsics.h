//===- Intrinsics.h - the functions that are not written in colo -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Prelude.colo declares every function; those whose body is only a description
// are done here, by name. Their arguments come bound, in declared order.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_INTRINSICS_H
#define COLO_LIB_FRONTEND_MODEL_INTRINSICS_H

#include "Emitter.h"

namespace colo::model {

/// One call; the accessors check the kind of an argument and point at it.
class Intrinsic {
public:
  Intrinsic(Importer &importer, llvm::StringRef name, llvm::ArrayRef<BoundArgument> arguments, llvm::SMLoc loc)
      : importer(importer), emit(importer, loc), name(name), arguments(arguments), loc(loc) {}

  const Value &value(size_t i) const { return arguments[i].value; }
  bool isNone(size_t i) const { return value(i).isNone(); }
  llvm::SMLoc place(size_t i) const { return arguments[i].loc; }
  /// A tensor that is not a mean over the batch.
  Tensor tensor(size_t i);
  Tensor floats(size_t i) { return emit.toFloat(tensor(i)); }
  /// int32 ids.
  Tensor ids(size_t i);
  int64_t integer(size_t i, llvm::StringRef what);
  double real(size_t i, llvm::StringRef what);
  double probability(size_t i, llvm::StringRef what);
  bool flag(size_t i, llvm::StringRef what);
  llvm::StringRef text(size_t i, llvm::StringRef what, llvm::ArrayRef<llvm::StringRef> legal);
  /// A dim of a tensor, counted from the end if negative.
  int64_t dim(size_t i, const Tensor &x);
  /// One dim, a list of them, or all for None; rising.
  llvm::SmallVector<int64_t> dims(size_t i, const Tensor &x);
  /// A list or tuple of sizes, or one size.
  Dims sizes(size_t i, llvm::StringRef what);
  [[noreturn]] void fail(size_t i, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {}) {
    importer.fail(place(i), message, notes);
  }

  Importer &importer;
  Emitter emit;
  llvm::StringRef name;
  llvm::ArrayRef<BoundArgument> arguments;
  llvm::SMLoc loc;
};

using IntrinsicFunction = Value (*)(Intrinsic &);
using IntrinsicTable = llvm::StringMap<IntrinsicFunction>;

/// Each file of intrinsics adds its own.
void addStaticIntrinsics(IntrinsicTable &table);
void addElementwiseIntrinsics(IntrinsicTable &table);
void addShapeIntrinsics(IntrinsicTable &table);
void addLayerIntrinsics(IntrinsicTable &table);

Value runIntrinsic(Importer &importer, llvm::StringRef name, llvm::ArrayRef<BoundArgument> arguments, llvm::SMLoc loc);

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_INTRINSICS_H
