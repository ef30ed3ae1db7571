//===- Value.h - what expressions of the model language mean ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The importer is an interpreter: numbers, text, lists, classes and modules are
// values known while compiling; a tensor is an SSA value whose dims remember
// the names of the sizes they came from, and whether they hold batch rows.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_VALUE_H
#define COLO_LIB_FRONTEND_MODEL_VALUE_H

#include "AST.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include <variant>

namespace colo::model {

struct DictValue;
struct ListValue;
struct Module;
struct Scope;
struct Value;

/// An integer, or the size of one dim: `text` is how the user wrote it ("3 *
/// hidden"; empty for a literal), `batch` whether it was computed from the
/// number of batch rows.
struct Size {
  int64_t value = 0;
  std::string text{};
  bool batch = false;

  /// "3 * hidden (2304)", or "2304".
  std::string describe() const;
};

/// A number that is no integer; `parameter` names the parameter of the Model whose given value it is, unchanged.
struct Real {
  Real(double value, std::string parameter = {}) : value(value), parameter(std::move(parameter)) {}
  double value;
  std::string parameter;
};

struct Tensor {
  mlir::Value value;
  llvm::SmallVector<Size, 4> dims; // `batch` marks the dim that holds batch rows
  /// A scalar that is this micro-batch's share of a mean over the global batch.
  /// Only sums of shares and multiples by constants are meaningful.
  bool isShare = false;
  /// The model's input that this is, unchanged, or the choice among ids that where() made (Importer::chooseIds); -1 for
  /// any other value.
  int input = -1;

  mlir::RankedTensorType type() const { return mlir::cast<mlir::RankedTensorType>(value.getType()); }
  mlir::Type elementType() const { return type().getElementType(); }
  size_t rank() const { return dims.size(); }
  bool hasBatch() const;
  /// "float32[batch (4), seq (32)]"
  std::string describe() const;
};

/// "[batch (4), seq (32)]"
std::string describeShape(llvm::ArrayRef<Size> dims);

/// How a parameter starts; the scale of the fan-based kinds is resolved when
/// the parameter's shape is known.
struct InitSpec {
  enum class Kind { Constant, Normal, Uniform, KaimingUniform, XavierUniform };
  Kind kind = Kind::Constant;
  double a = 0, b = 0;
};

struct Param {
  Module *owner = nullptr;
  std::string name; // in its owner: "weight"
  llvm::SMLoc loc;
  llvm::SmallVector<Size, 4> shape;
  llvm::SmallVector<int64_t, 2> fileShape;
  InitSpec init;
  bool isUsed = false;
};

/// A `def` and the scope it sees. `self` is the module it belongs to.
struct FunctionValue {
  const FunctionStmt *definition;
  Scope *closure;
  Module *self = nullptr;
};
struct ClassValue {
  const ClassStmt *definition;
  Scope *closure;
};
/// checkpoint(module): a module that is called as if it had been made with checkpoint=True.
struct CheckpointValue {
  std::shared_ptr<Module> module;
};
/// `int32`, or `int32[batch, seq]` when `isShaped`.
struct TypeValue {
  enum class Kind { Float, Int, Bool } kind;
  llvm::SmallVector<Size, 4> dims{};
  bool isShaped = false;
};

struct Value {
  using None = std::monostate;
  std::variant<None, Size, Real, bool, std::string, Tensor, std::shared_ptr<ListValue>, std::shared_ptr<DictValue>,
               std::shared_ptr<Module>, std::shared_ptr<Param>, FunctionValue, ClassValue, InitSpec, TypeValue,
               CheckpointValue>
      data;

  Value() = default;
  template <typename T, typename = std::enable_if_t<!std::is_same_v<std::decay_t<T>, Value>>>
  Value(T &&data) : data(std::forward<T>(data)) {}

  template <typename T> bool is() const { return std::holds_alternative<T>(data); }
  template <typename T> T *get() { return std::get_if<T>(&data); }
  template <typename T> const T *get() const { return std::get_if<T>(&data); }
  bool isNone() const { return is<None>(); }
  bool isNumber() const { return is<Size>() || is<Real>(); }
  bool isTensorLike() const { return is<Tensor>() || is<std::shared_ptr<Param>>(); }
  ListValue *list() const;
  Module *module() const;
  Param *param() const;
  /// The number as a double; only if isNumber().
  double number() const;

  /// "an integer", "a tensor float32[…]", "module Linear".
  std::string describe() const;
  /// Appends text that two values share only if a module made with either is
  /// the same module; false if there is no such text (a module, a tensor).
  bool appendKey(std::string &key) const;
};

/// A list or tuple. A list of modules knows where it is a class member, since
/// the parameters of a run of equal layers are stacked.
struct ListValue {
  std::vector<Value> elements;
  bool isTuple = false;
  Module *owner = nullptr;
  std::string name;
  /// How a list of modules has been used so far.
  enum class Use { None, Stacked, Single } use = Use::None;
};

struct DictValue {
  std::vector<std::pair<std::string, Value>> entries;
  std::vector<llvm::SMLoc> locs;
};

struct Scope {
  explicit Scope(Scope *parent = nullptr) : parent(parent) {}
  Scope *parent;
  llvm::MapVector<llvm::StringRef, Value> names; // keys live in the syntax tree
  llvm::DenseSet<llvm::StringRef> read;          // of these, what find() has found
  Value *find(llvm::StringRef name);
};

/// What a module's calls compute again in the backward pass, from less to more.
enum class Recompute { Nothing, Attention, All };

/// A `checkpoint=` of the user's text, the config or the command line.
struct Checkpoint {
  Recompute recompute;
  llvm::SMLoc loc;
  const Module *module;  // the first that was made with it
  bool isCalled = false; // whether a call followed it
  bool marks = false;    // whether one of these had anything to compute again
};

/// One instance of a class.
struct Module {
  const ClassStmt *definition = nullptr;
  bool isStandard = false; // of the prelude
  llvm::SMLoc loc;         // where it was made
  Module *parent = nullptr;
  std::string name;         // in its parent; "" for the model, "h.3" in a list
  ListValue *run = nullptr; // the list that it is an element of
  Scope scope;
  std::vector<std::shared_ptr<Param>> params;
  std::vector<Module *> children;   // in order of definition
  Checkpoint *checkpoint = nullptr; // its own; null if it says nothing
  /// Class and compile-time arguments; empty if it cannot be compared.
  std::string key;

  explicit Module(Scope *closure) : scope(closure) {}
};

/// "h.3.attn" relative to `root` (the outermost module if null).
std::string pathOf(const Module *module, const Module *root = nullptr);
std::string pathOf(const Param &param, const Module *root = nullptr);
/// Is `module` `root` or inside it?
bool isInside(const Module *module, const Module *root);

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_VALUE_H
