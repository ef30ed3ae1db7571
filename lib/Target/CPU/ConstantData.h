//===- ConstantData.h - nested constants with pointers ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain C data described as a tree of scalars, pointers and structs, and
// written as constants of the LLVM dialect. The layout is C's: natural
// alignment, in the order of the fields.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TARGET_CPU_CONSTANTDATA_H
#define COLO_TARGET_CPU_CONSTANTDATA_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace colo {

/// One value of a constant: a number, the address of a symbol, or a struct or array of values.
class ConstantData {
public:
  static ConstantData i32(int64_t value) { return ConstantData(I32, value); }
  static ConstantData i64(int64_t value) { return ConstantData(I64, value); }
  static ConstantData f64(double value);
  /// The address of a global or function; null if the name is empty.
  static ConstantData address(std::string symbol);
  static ConstantData structure(std::vector<ConstantData> fields);
  /// Equal types, at least one.
  static ConstantData array(std::vector<ConstantData> elements);

  mlir::Type getType(mlir::MLIRContext *context) const;
  /// Builds the value inside a global's initializer.
  mlir::Value build(mlir::OpBuilder &builder, mlir::Location loc) const;

private:
  enum Kind { I32, I64, F64, Address, Struct, Array };
  ConstantData(Kind kind, int64_t integer) : kind(kind), integer(integer) {}

  Kind kind;
  int64_t integer = 0;
  double real = 0;
  std::string symbol;
  std::vector<ConstantData> parts;
};

/// Adds private constants to a module, strings once each.
class ConstantModule {
public:
  explicit ConstantModule(mlir::ModuleOp module);
  /// A NUL-terminated string; returns its address.
  ConstantData string(llvm::StringRef text);
  /// An array of structs; returns its address, null if empty.
  ConstantData table(llvm::StringRef name, std::vector<ConstantData> rows);
  /// A constant under exactly this name; external ones are hidden.
  void define(llvm::StringRef name, const ConstantData &value, mlir::LLVM::Linkage linkage);

private:
  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  llvm::StringMap<std::string> strings;
};

} // namespace colo

#endif // COLO_TARGET_CPU_CONSTANTDATA_H
