//===- ConstantData.cpp - nested constants with pointers -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConstantData.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FormatVariadic.h"

using namespace colo;
using namespace mlir;

ConstantData ConstantData::f64(double value) {
  ConstantData data(F64, 0);
  data.real = value;
  return data;
}

ConstantData ConstantData::address(std::string symbol) {
  ConstantData data(Address, 0);
  data.symbol = std::move(symbol);
  return data;
}

ConstantData ConstantData::structure(std::vector<ConstantData> fields) {
  ConstantData data(Struct, 0);
  data.parts = std::move(fields);
  return data;
}

ConstantData ConstantData::array(std::vector<ConstantData> elements) {
  ConstantData data(Array, 0);
  data.parts = std::move(elements);
  return data;
}

Type ConstantData::getType(MLIRContext *context) const {
  switch (kind) {
  case I32:
    return IntegerType::get(context, 32);
  case I64:
    return IntegerType::get(context, 64);
  case F64:
    return Float64Type::get(context);
  case Address:
    return LLVM::LLVMPointerType::get(context);
  case Array:
    return LLVM::LLVMArrayType::get(parts.front().getType(context), parts.size());
  case Struct:
    break;
  }
  SmallVector<Type> types;
  for (const ConstantData &part : parts)
    types.push_back(part.getType(context));
  return LLVM::LLVMStructType::getLiteral(context, types);
}

Value ConstantData::build(OpBuilder &builder, Location loc) const {
  Type type = getType(builder.getContext());
  switch (kind) {
  case I32:
  case I64:
    return builder.create<LLVM::ConstantOp>(loc, type, builder.getIntegerAttr(type, integer));
  case F64:
    return builder.create<LLVM::ConstantOp>(loc, type, builder.getF64FloatAttr(real));
  case Address:
    if (symbol.empty())
      return builder.create<LLVM::ZeroOp>(loc, type);
    return builder.create<LLVM::AddressOfOp>(loc, type, symbol);
  case Struct:
  case Array:
    break;
  }
  Value aggregate = builder.create<LLVM::UndefOp>(loc, type);
  for (auto [i, part] : llvm::enumerate(parts))
    aggregate = builder.create<LLVM::InsertValueOp>(loc, aggregate, part.build(builder, loc), i);
  return aggregate;
}

ConstantModule::ConstantModule(ModuleOp module) : module(module), builder(OpBuilder::atBlockEnd(module.getBody())) {}

ConstantData ConstantModule::string(StringRef text) {
  std::string &symbol = strings[text];
  if (symbol.empty()) {
    symbol = llvm::formatv("colo.text.{0}", strings.size() - 1);
    std::string bytes = text.str();
    bytes.push_back('\0');
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
    builder.create<LLVM::GlobalOp>(module.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Private, symbol,
                                   builder.getStringAttr(bytes));
  }
  return ConstantData::address(symbol);
}

ConstantData ConstantModule::table(StringRef name, std::vector<ConstantData> rows) {
  if (rows.empty())
    return ConstantData::address("");
  std::string symbol = ("colo.table." + name).str();
  define(symbol, ConstantData::array(std::move(rows)), LLVM::Linkage::Private);
  return ConstantData::address(symbol);
}

void ConstantModule::define(StringRef name, const ConstantData &value, LLVM::Linkage linkage) {
  OpBuilder::InsertionGuard guard(builder);
  Location loc = module.getLoc();
  auto global = builder.create<LLVM::GlobalOp>(loc, value.getType(builder.getContext()), /*isConstant=*/true, linkage,
                                               name, Attribute());
  if (linkage == LLVM::Linkage::External)
    global.setVisibility_(LLVM::Visibility::Hidden);
  builder.createBlock(&global.getInitializerRegion());
  builder.create<LLVM::ReturnOp>(loc, value.build(builder, loc));
}
