//===- Importer.h - the interpreter that builds the program ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Interprets a file's Model: class bodies make modules and parameters, forward
// makes ops. What is static is computed here; a call of a user's module from
// the Model's forward becomes a function and a `colo.call`, a loop over equal
// modules a function and a `colo.layers`, everything else is inlined.
//
// After the first error nothing is known any more: fail() reports it and throws
// ImportAborted, which importModel catches. No exception leaves the library.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_IMPORTER_H
#define COLO_LIB_FRONTEND_MODEL_IMPORTER_H

#include "Value.h"
#include "colo/Frontend/Diagnostics.h"
#include "colo/Frontend/Model.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"
#include <map>

namespace colo::model {

/// The argument that every module has.
inline constexpr llvm::StringLiteral kCheckpointArgument = "checkpoint";

struct ImportAborted {};

/// A function under construction. Block arguments are: inputs, captured values
/// of the entry function, parameters.
struct Body {
  explicit Body(mlir::func::FuncOp function) : function(function), builder(function.getContext()) {}

  mlir::func::FuncOp function;
  mlir::OpBuilder builder;
  /// The module whose parameters are arguments; null in the entry function.
  Module *root = nullptr;
  size_t numInputs = 0;
  llvm::MapVector<mlir::Value, mlir::Value> captures; // entry value to argument
  llvm::MapVector<Param *, mlir::Value> params;
  mlir::Operation *lastRef = nullptr; // the last of the entry function's references to parameters
  /// Whether a mean over the batch was made here; such a function is inlined
  /// instead, so that the entry function sees every denominator.
  bool hasMean = false;
};

/// A finished function of a module, for calls with an equal module.
struct ModuleFunction {
  mlir::func::FuncOp function;     // null: must be inlined
  std::vector<std::string> params; // relative to the module
  std::vector<mlir::Value> captures;
  Value result; // as the template call returned it, with the callee's values
  int64_t calls = 0;
  bool marks = false; // whether anything is computed again in the backward pass
};

/// The rows of a micro-batch, as models call them.
inline constexpr llvm::StringLiteral kBatchName = "batch";

/// What one call gives a callee.
struct BoundArgument {
  Value value;
  llvm::SMLoc loc; // of the argument; the call if defaulted
};
struct Arguments {
  std::vector<std::pair<std::string, BoundArgument>> given; // name empty: positional
};

class Importer {
public:
  Importer(mlir::MLIRContext &context, llvm::SourceMgr &sources, const ModelOptions &options);

  /// Throws ImportAborted.
  mlir::OwningOpRef<mlir::ModuleOp> run(const File &prelude, unsigned preludeId, const File &file, unsigned fileId);

  //===--- Reporting ------------------------------------------------------===//
  /// Reports an error at the user's place that led to `loc` and throws.
  [[noreturn]] void fail(llvm::SMLoc loc, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {});
  /// A note at the config's or command line's value for a parameter of the Model or the batch, if the number is one.
  llvm::SmallVector<DiagnosticNote, 1> whereSet(const Value &number) const;
  /// The same for each of several.
  llvm::SmallVector<DiagnosticNote, 1> whereEachSet(llvm::ArrayRef<Size> sizes) const;
  bool inPrelude(llvm::SMLoc loc) const;
  /// The innermost place in the user's file on the way to `loc`.
  llvm::SMLoc userLoc(llvm::SMLoc loc) const;
  llvm::SMLoc userLoc(const Param &param) const;
  mlir::Location locate(llvm::SMLoc loc);
  mlir::Location locate(const Param &param);

  //===--- Expressions (Eval.cpp, Arithmetic.cpp, Subscript.cpp) ------------===//
  Value eval(const Expr &expr, Scope &scope);
  Value binary(Operator op, const Value &lhs, const Value &rhs, llvm::SMLoc loc);
  bool truth(const Value &value, llvm::SMLoc loc);
  int64_t integer(const Value &value, llvm::SMLoc loc, llvm::StringRef what);
  double real(const Value &value, llvm::SMLoc loc, llvm::StringRef what);

  //===--- Tensors ----------------------------------------------------------===//
  /// A tensor or parameter as an SSA value of the function under construction.
  Tensor tensor(const Value &value, llvm::SMLoc loc);
  mlir::Type floatType() { return isF64 ? mlir::Type(entryBuilder.getF64Type()) : entryBuilder.getF32Type(); }
  mlir::OpBuilder &builder() { return body->builder; }
  Body &currentBody() { return *body; }
  bool buildsTensors() const { return body != nullptr; }
  int64_t nextRandomId(llvm::SMLoc loc);
  /// Notes that ids of `tensor` index something with `classes` entries.
  void constrainIds(const Tensor &tensor, int64_t classes, std::optional<int64_t> ignoreIndex, llvm::SMLoc loc);
  /// What stands for ids that are each one of `candidates`, ids and numbers, in Tensor::input.
  int chooseIds(llvm::ArrayRef<Value> candidates);

  //===--- Calls (Call.cpp) -------------------------------------------------===//
  Value call(const Value &callee, Arguments arguments, llvm::SMLoc loc, llvm::StringRef calleeName);
  const ModelOptions &getOptions() const { return options; }

private:
  struct Frame {
    llvm::SMLoc callLoc;
    Module *self; // the module that runs, null for plain functions
    bool isModule;
  };
  struct InputInfo {
    std::string name;
    int64_t classes = 0;
    bool ignores = false, indexes = false;
    int64_t ignoreIndex = 0;
  };
  /// Ids chosen among ids, as in Tensor::input, and numbers.
  struct IdChoice {
    llvm::SmallVector<int, 2> ids;
    llvm::SmallVector<int64_t, 2> numbers;
  };
  static constexpr int kFirstChoice = 1 << 20;

  // Set-up (Import.cpp).
  void declare(const File &file, Scope &scope);
  Value valueOf(const ModelValue &given, llvm::StringRef name);
  const ClassStmt *chooseModel(const File &file, unsigned fileId);
  std::shared_ptr<Module> makeModel(const ClassStmt &definition);
  Value defineValue(const ClassStmt &model, const Parameter &parameter, const Sourced<ModelValue> &given,
                    const Value &byDefault);
  void buildEntry();
  void returnMetrics(const Value &result, llvm::SMLoc loc);
  void emitMetric(llvm::StringRef name, const Value &value, llvm::SMLoc loc);
  void emitParams(Module &module, int64_t layers);
  void emitParam(Param &param, int64_t layers);
  void exemptFromDecay();
  void setInputAttributes();
  std::string symbolOf(const Param &param) const;

  // Expressions.
  Value evalUnchecked(const Expr &expr, Scope &scope);
  Value name(const NameExpr &expr, Scope &scope);
  Value unary(const UnaryExpr &expr, Scope &scope);
  Value logical(const BinaryExpr &expr, Scope &scope);
  Value callExpr(const CallExpr &expr, Scope &scope);
  Value subscript(const SubscriptExpr &expr, Scope &scope);
  Value subscriptType(const TypeValue &type, const SubscriptExpr &expr, Scope &scope);
  Value subscriptList(ListValue &list, const SubscriptExpr &expr, Scope &scope);
  Value subscriptTensor(const Tensor &tensor, const SubscriptExpr &expr, Scope &scope);
  struct Range {
    int64_t start = 0, count = 0, step = 1;
  };
  Range sliceRange(const Subscript &entry, int64_t size, Scope &scope);
  int64_t position(const Value &index, int64_t size, llvm::SMLoc loc, const llvm::Twine &what);
  Value attribute(const AttributeExpr &expr, Scope &scope);
  Value comprehension(const ComprehensionExpr &expr, Scope &scope);
  Value staticArithmetic(Operator op, const Value &lhs, const Value &rhs, llvm::SMLoc loc);
  Value integerArithmetic(Operator op, const Size &lhs, const Size &rhs, llvm::SMLoc loc);
  Value compareStatic(Operator op, const Value &lhs, const Value &rhs, llvm::SMLoc loc);

  // Statements (Exec.cpp). A value is what `return` gave.
  std::optional<Value> exec(const Block &block, Scope &scope, Module *member);
  std::optional<Value> exec(const Stmt &stmt, Scope &scope, Module *member);
  void assign(const AssignStmt &stmt, Scope &scope, Module *member);
  void bind(const Target &target, Value value, Scope &scope, Module *member);
  void checkParameterIsRead(const Module &owner, const Scope &scope, const Target &target);
  void checkNewNames(const Module &owner, const std::string &name, const Value &value, llvm::SMLoc loc);
  void adopt(Module &owner, const std::string &name, const Value &value);
  void check(const AssertStmt &stmt, Scope &scope);
  void describeNames(const Expr &expr, Scope &scope, std::string &message, std::vector<DiagnosticNote> &notes);
  std::optional<Value> loop(const ForStmt &stmt, Scope &scope, Module *member);
  std::vector<Value> iterate(const Value &value, llvm::SMLoc loc);
  void unpack(llvm::ArrayRef<Target> targets, bool unpacks, const Value &value, llvm::SMLoc loc, Scope &scope,
              Module *member);

  // Modules as functions, runs of equal layers (Layers.cpp).
  mlir::Value capture(mlir::Value value);
  mlir::Value paramValue(Param &param);
  void useAlone(Module &module, llvm::SMLoc loc);
  bool isRun(const ForStmt &stmt, const Value &iterable);
  bool tryLayers(const ForStmt &stmt, ListValue &run, Scope &scope);
  void emitLayers(const ForStmt &stmt, ListValue &run, Body &own, llvm::ArrayRef<Tensor> carried,
                  llvm::MutableArrayRef<Tensor> results);
  std::unique_ptr<Body> startFunction(Module &root, llvm::ArrayRef<Tensor> inputs);
  void finishFunction(Body &done, llvm::ArrayRef<Tensor> results);
  void discard(Body &failed);
  Value callModule(const std::shared_ptr<Module> &module, Arguments given, llvm::SMLoc loc,
                   Recompute asked = Recompute::Nothing);
  /// What tells calls apart that need functions of their own: module, checkpoint and arguments, whose tensors are added
  /// to `inputs`; none where an argument is neither a tensor nor known now.
  std::optional<std::string> keyOfCall(const Module &module, llvm::ArrayRef<BoundArgument> arguments,
                                       Recompute recompute, llvm::SmallVectorImpl<Tensor> &inputs);
  Value inlineModule(const FunctionValue &forward, std::vector<BoundArgument> arguments, Recompute recompute,
                     llvm::SMLoc loc, bool &marks);
  Value callModuleFunction(ModuleFunction &callee, Module &module, llvm::ArrayRef<Tensor> inputs, llvm::SMLoc loc);
  ModuleFunction buildModuleFunction(Module &module, const FunctionValue &forward, std::vector<BoundArgument> arguments,
                                     llvm::ArrayRef<Tensor> inputs, llvm::SMLoc loc);

  // Checkpoints (Checkpoint.cpp).
  std::optional<Recompute> readCheckpoint(const Value &value, llvm::SMLoc loc);
  void checkNoParameterIsReserved(const ClassStmt &definition);
  Checkpoint *noteCheckpoint(Recompute recompute, const Module &module, llvm::SMLoc loc);
  /// Takes the argument that every module has out of those of its class.
  void takeCheckpoint(Module &module, Arguments &arguments);
  /// What calls of `module` follow: its own, that of a module around it or the Model's; null for none.
  Checkpoint *checkpointOf(const Module &module) const;
  Value callCheckpoint(const std::shared_ptr<Module> &module, Arguments given, llvm::SMLoc loc);
  /// Marks what is computed again of the ops of [first, end), and says whether there was any. What these give as
  /// results is kept as it would be, unless it is attention's own.
  static bool markRecomputed(Recompute recompute, mlir::Block::iterator first, mlir::Block::iterator end,
                             llvm::ArrayRef<Tensor> results);
  /// Errors and warnings for what the user gave without effect.
  void reportUnusedCheckpoints();

  // Calls.
  std::vector<BoundArgument> bindArguments(llvm::ArrayRef<Parameter> parameters, Arguments arguments, Scope &scope,
                                           llvm::SMLoc loc, const llvm::Twine &callee, llvm::SMLoc declared,
                                           bool renameSizes);
  Value callFunction(const FunctionValue &function, Arguments arguments, llvm::SMLoc loc, llvm::StringRef name);
  Value runFunction(const FunctionValue &function, std::vector<BoundArgument> arguments, llvm::SMLoc loc,
                    bool isModule);
  Value instantiate(const ClassValue &definition, Arguments arguments, llvm::SMLoc loc);
  FunctionValue forwardOf(Module &module, llvm::SMLoc loc);

  mlir::MLIRContext &context;
  llvm::SourceMgr &sources;
  const ModelOptions &options;
  Diagnostics diagnostics;
  unsigned preludeId = 0;
  bool isF64;
  mlir::Builder entryBuilder;
  mlir::OwningOpRef<mlir::ModuleOp> program;
  std::unique_ptr<mlir::SymbolTable> symbols;

  Scope standard, globals;
  std::shared_ptr<Module> model;
  llvm::SMLoc modelLoc;
  llvm::SMLoc returnLoc;                                                // of the value that the last `return` gave
  std::vector<std::shared_ptr<Module>> modules;                         // keeps all alive
  std::map<std::pair<const char *, Recompute>, Checkpoint> checkpoints; // by their places
  std::vector<const ClassStmt *> making;                                // classes whose bodies run, for recursion

  Body *body = nullptr; // null while class bodies run
  Body *entry = nullptr;
  std::vector<Frame> frames;
  std::map<std::string, ModuleFunction> functions;
  llvm::StringMap<bool> loopLocals; // names assigned only inside a run of layers
  std::vector<InputInfo> inputs;
  std::vector<std::pair<ParamOp, const Param *>> declared; // in order
  std::vector<IdChoice> choices;
  int64_t randomIds = 0;
  uint64_t steps = 0;
  unsigned depth = 0;
};

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_IMPORTER_H
