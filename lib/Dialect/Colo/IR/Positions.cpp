//===- Positions.cpp - where a part's elements lie in the whole -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/Positions.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace colo;

namespace {
/// What a dictionary may hold.
struct Key {
  StringRef name, kind;
  bool isNeeded;
  bool (*fits)(Attribute);
};

bool isInteger(Attribute attr) { return isa<IntegerAttr>(attr) && cast<IntegerAttr>(attr).getType().isInteger(64); }
bool isUnit(Attribute attr) { return isa<UnitAttr>(attr); }
bool isDictionary(Attribute attr) { return isa<DictionaryAttr>(attr); }
bool isNumbers(Attribute attr) { return isa<DenseI64ArrayAttr>(attr); }
bool isNames(Attribute attr) {
  auto names = dyn_cast<ArrayAttr>(attr);
  return names && llvm::all_of(names, llvm::IsaPred<StringAttr>);
}
} // namespace

static LogicalResult verifyKeys(Operation *op, DictionaryAttr entries, ArrayRef<Key> keys) {
  for (NamedAttribute entry : entries) {
    const auto *key = llvm::find_if(keys, [&](const Key &key) { return key.name == entry.getName(); });
    if (key == keys.end()) {
      InFlightDiagnostic diagnostic = op->emitOpError("has '")
                                      << entry.getName().getValue() << "' in positions; legal are ";
      llvm::interleaveComma(keys, diagnostic, [&](const Key &key) { diagnostic << key.name; });
      return diagnostic;
    }
    if (!key->fits(entry.getValue()))
      return op->emitOpError("has positions whose '")
             << key->name << "' is not " << key->kind << ": " << entry.getValue();
  }
  for (const Key &key : keys)
    if (key.isNeeded && !entries.contains(key.name))
      return op->emitOpError("has positions without '") << key.name << "' beside other keys";
  return success();
}

static LogicalResult verifyDim(Operation *op, DictionaryAttr dim) {
  using namespace position;
  static const Key dims[] = {
      {kGlobal, "an i64", true, isInteger},           {kPadded, "an i64", true, isInteger},
      {kAxes, "an array of strings", true, isNames},  {kBlocks, "an array of i64", false, isNumbers},
      {kBefore, "a dictionary", false, isDictionary}, {kHalf, "a dictionary", false, isDictionary},
      {kPart, "a dictionary", false, isDictionary}};
  static const Key turns[] = {
      {kTurn, "an i64", true, isInteger}, {kLoop, "an i64", false, isInteger}, {kRowsTravel, "a unit", false, isUnit}};
  static const Key parts[] = {{kLoop, "an i64", true, isInteger}, {kOf, "an i64", true, isInteger}};
  if (dim.empty())
    return success();
  if (failed(verifyKeys(op, dim, dims)))
    return failure();
  for (StringRef name : {kBefore, kHalf})
    if (auto turn = dim.getAs<DictionaryAttr>(name); turn && failed(verifyKeys(op, turn, turns)))
      return failure();
  auto part = dim.getAs<DictionaryAttr>(kPart);
  return part ? verifyKeys(op, part, parts) : success();
}

LogicalResult colo::verifyPositions(Operation *op) {
  auto positional = cast<PositionalOpInterface>(op);
  auto positions = op->getAttrOfType<ArrayAttr>("positions");
  if (!positions)
    return success();
  if (size_t rank = positional.getPositionedShape().size(); positions.size() != rank)
    return op->emitOpError("has positions of ") << positions.size() << " dims, not of " << rank;
  for (Attribute entry : positions) {
    auto dim = dyn_cast<DictionaryAttr>(entry);
    if (!dim)
      return op->emitOpError("has positions that are no dictionaries: ") << entry;
    if (failed(verifyDim(op, dim)))
      return failure();
  }
  if (!positional.needsContiguousRows())
    return success();
  auto rows = cast<DictionaryAttr>(positions[0]);
  if (rows.contains(position::kBlocks) || rows.contains(position::kHalf))
    return op->emitOpError("looks up rows by number, so that a rank must hold one run of them, not blocks");
  return success();
}
