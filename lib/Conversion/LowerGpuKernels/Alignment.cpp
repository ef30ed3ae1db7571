//===- Alignment.cpp - where memrefs of host functions start -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Alignment.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace colo;

static constexpr int64_t kBufferAlignment = 64;

static int64_t lowestBit(int64_t number) {
  return number == 0 ? kBufferAlignment : std::min<int64_t>(kBufferAlignment, number & -number);
}

static int64_t bytesOf(Value memref) {
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  return std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

Alignment::Alignment(ModuleOp module) {
  SymbolTable symbols(module);
  module.walk([&](func::CallOp call) {
    if (Operation *callee = symbols.lookup(call.getCallee()))
      calls[callee].push_back(call);
  });
}

int64_t Alignment::ofArgument(BlockArgument argument, llvm::function_ref<int64_t(Value)> ofValue) {
  Operation *owner = argument.getOwner()->getParentOp();
  auto it = calls.find(owner);
  if (!isa<func::FuncOp>(owner) || it == calls.end())
    return 1;
  int64_t least = kBufferAlignment;
  for (Operation *call : it->second)
    least = std::min(least, ofValue(call->getOperand(argument.getArgNumber())));
  return least;
}

int64_t Alignment::of(Value memref) {
  // While a value is worked out nothing is known of it.
  auto [it, isNew] = memrefs.try_emplace(memref, 1);
  if (!isNew)
    return it->second;
  int64_t result = 1;
  if (auto argument = dyn_cast<BlockArgument>(memref)) {
    result = ofArgument(argument, [&](Value value) { return of(value); });
  } else if (memref.getDefiningOp<rt::BufferOp>()) {
    result = kBufferAlignment;
  } else if (auto select = memref.getDefiningOp<arith::SelectOp>()) {
    result = std::min(of(select.getTrueValue()), of(select.getFalseValue()));
  } else if (auto slot = memref.getDefiningOp<rt::SlotOp>()) {
    int64_t bytes = bytesOf(slot.getBase());
    result = std::min(of(slot.getBase()), lowestBit(slot.getOffset() * bytes));
    if (slot.getDynamic())
      result = std::min(result, std::min(kBufferAlignment, factorOf(slot.getDynamic()) * bytes));
  }
  result = std::max(result, bytesOf(memref));
  memrefs[memref] = result;
  return result;
}

/// Of a number of a table, whichever row it is of.
static int64_t ofTable(memref::LoadOp load) {
  auto table = load.getMemRef().getDefiningOp<rt::TableOp>();
  std::optional<int64_t> column = table ? getConstantIntValue(load.getIndices().back()) : std::nullopt;
  if (!column)
    return 1;
  ArrayRef<int64_t> numbers = table.getValues();
  int64_t columns = load.getMemRefType().getShape().back(), least = kBufferAlignment;
  for (size_t i = *column; i < numbers.size(); i += columns)
    least = std::min(least, lowestBit(numbers[i]));
  return least;
}

int64_t Alignment::factorOf(Value index) {
  auto [it, isNew] = indices.try_emplace(index, 1);
  if (!isNew)
    return it->second;
  int64_t result = 1;
  if (auto argument = dyn_cast<BlockArgument>(index)) {
    auto loop = dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp());
    if (loop && argument == loop.getInductionVar())
      result = std::min(factorOf(loop.getLowerBound()), factorOf(loop.getStep()));
    else
      result = ofArgument(argument, [&](Value value) { return factorOf(value); });
  } else {
    Operation *op = index.getDefiningOp();
    auto constant = dyn_cast<arith::ConstantOp>(op);
    if (auto number = constant ? dyn_cast<IntegerAttr>(constant.getValue()) : IntegerAttr())
      result = lowestBit(number.getInt());
    else if (isa<arith::MulIOp>(op))
      result = std::min(kBufferAlignment, factorOf(op->getOperand(0)) * factorOf(op->getOperand(1)));
    else if (isa<arith::AddIOp, arith::SubIOp, arith::SelectOp>(op))
      result = std::min(factorOf(op->getOperand(op->getNumOperands() - 2)),
                        factorOf(op->getOperand(op->getNumOperands() - 1)));
    else if (isa<arith::IndexCastOp>(op))
      result = factorOf(op->getOperand(0));
    else if (auto load = dyn_cast<memref::LoadOp>(op))
      result = ofTable(load);
  }
  indices[index] = result;
  return result;
}
