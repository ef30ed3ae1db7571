//===- AST.h - the syntax tree of the model language -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a `.colo` file says, before anything is known about what it means. Every
// node knows its place in the buffer it was read from. A tree is at most a few
// hundred nodes deep (the parser refuses more), so recursion over it is safe.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_AST_H
#define COLO_LIB_FRONTEND_MODEL_AST_H

#include "llvm/ADT/APInt.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Casting.h"
#include "llvm/Support/SMLoc.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
class SourceMgr;
} // namespace llvm

namespace colo::model {

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

struct Expr {
  enum class Kind {
    Name,
    Integer,
    Real,
    String,
    Bool,
    None,
    Unary,
    Binary,
    Conditional,
    Call,
    Subscript,
    Attribute,
    List,
    Tuple,
    Comprehension,
  };
  Expr(Kind kind, llvm::SMRange range) : kind(kind), loc(range.Start), range(range) {}
  virtual ~Expr() = default;

  const Kind kind;
  llvm::SMLoc loc; // where a message points: the operator of an operation, else the start
  llvm::SMRange range;
};
using ExprPtr = std::unique_ptr<Expr>;

/// Gives a node its kind and LLVM's casting.
template <Expr::Kind K> struct ExprOf : Expr {
  ExprOf(llvm::SMRange range) : Expr(K, range) {}
  static bool classof(const Expr *expr) { return expr->kind == K; }
};

struct NameExpr : ExprOf<Expr::Kind::Name> {
  using ExprOf::ExprOf;
  std::string name;
};
struct IntegerExpr : ExprOf<Expr::Kind::Integer> {
  using ExprOf::ExprOf;
  int64_t value = 0;
};
struct RealExpr : ExprOf<Expr::Kind::Real> {
  using ExprOf::ExprOf;
  double value = 0;
  std::string spelling;
};
struct StringExpr : ExprOf<Expr::Kind::String> {
  using ExprOf::ExprOf;
  std::string value;
};
struct BoolExpr : ExprOf<Expr::Kind::Bool> {
  using ExprOf::ExprOf;
  bool value = false;
};
struct NoneExpr : ExprOf<Expr::Kind::None> {
  using ExprOf::ExprOf;
};

enum class Operator {
  Add,
  Sub,
  Mul,
  Div,
  FloorDiv,
  Mod,
  Pow,
  MatMul,
  Less,
  Greater,
  LessEqual,
  GreaterEqual,
  Equal,
  NotEqual,
  Is,
  IsNot,
  And,
  Or,
  Not,
  Negate,
  Plus,
};

/// As the language spells it.
llvm::StringRef spelling(Operator op);
inline bool isComparison(Operator op) { return op >= Operator::Less && op <= Operator::IsNot; }

struct UnaryExpr : ExprOf<Expr::Kind::Unary> {
  using ExprOf::ExprOf;
  Operator op = Operator::Negate;
  ExprPtr operand;
};
struct BinaryExpr : ExprOf<Expr::Kind::Binary> {
  using ExprOf::ExprOf;
  Operator op = Operator::Add;
  ExprPtr lhs, rhs;
};
/// `then if condition else otherwise`
struct ConditionalExpr : ExprOf<Expr::Kind::Conditional> {
  using ExprOf::ExprOf;
  ExprPtr condition, then, otherwise;
};
struct Argument {
  std::string name; // empty: positional
  llvm::SMLoc loc;
  ExprPtr value;
};
struct CallExpr : ExprOf<Expr::Kind::Call> {
  using ExprOf::ExprOf;
  ExprPtr callee;
  std::vector<Argument> arguments; // positional ones first
};
/// One entry between brackets: an index, or a slice with any part left out.
struct Subscript {
  bool isSlice = false;
  ExprPtr index, start, stop, step;
  llvm::SMRange range;
};
struct SubscriptExpr : ExprOf<Expr::Kind::Subscript> {
  using ExprOf::ExprOf;
  ExprPtr base;
  std::vector<Subscript> subscripts;
};
struct AttributeExpr : ExprOf<Expr::Kind::Attribute> {
  using ExprOf::ExprOf;
  ExprPtr base;
  std::string name;
};
struct ListExpr : ExprOf<Expr::Kind::List> {
  using ExprOf::ExprOf;
  std::vector<ExprPtr> elements;
};
struct TupleExpr : ExprOf<Expr::Kind::Tuple> {
  using ExprOf::ExprOf;
  std::vector<ExprPtr> elements;
};
/// `[element for names in iterable]`
struct ComprehensionExpr : ExprOf<Expr::Kind::Comprehension> {
  using ExprOf::ExprOf;
  ExprPtr element;
  std::vector<std::string> names;
  ExprPtr iterable;
};

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

struct Stmt {
  enum class Kind { Assign, Augmented, Return, Assert, If, For, Function, Class, Expression };
  Stmt(Kind kind, llvm::SMLoc loc) : kind(kind), loc(loc) {}
  virtual ~Stmt() = default;

  const Kind kind;
  llvm::SMLoc loc;
};
using StmtPtr = std::unique_ptr<Stmt>;
using Block = std::vector<StmtPtr>;

template <Stmt::Kind K> struct StmtOf : Stmt {
  StmtOf(llvm::SMLoc loc) : Stmt(K, loc) {}
  static bool classof(const Stmt *stmt) { return stmt->kind == K; }
};

struct Target {
  std::string name;
  llvm::SMLoc loc;
};
/// `a = value`, or `a, b = value` when `unpacks`.
struct AssignStmt : StmtOf<Stmt::Kind::Assign> {
  using StmtOf::StmtOf;
  std::vector<Target> targets;
  bool unpacks = false;
  ExprPtr value;
};
struct AugmentedStmt : StmtOf<Stmt::Kind::Augmented> {
  using StmtOf::StmtOf;
  Target target;
  Operator op = Operator::Add;
  ExprPtr value;
};
struct ReturnStmt : StmtOf<Stmt::Kind::Return> {
  using StmtOf::StmtOf;
  ExprPtr value; // null: nothing
};
struct AssertStmt : StmtOf<Stmt::Kind::Assert> {
  using StmtOf::StmtOf;
  ExprPtr condition, message; // message may be null
};
/// `elif` is an If alone in `otherwise`.
struct IfStmt : StmtOf<Stmt::Kind::If> {
  using StmtOf::StmtOf;
  ExprPtr condition;
  Block then, otherwise;
};
struct ForStmt : StmtOf<Stmt::Kind::For> {
  using StmtOf::StmtOf;
  std::vector<Target> targets;
  ExprPtr iterable;
  Block body;
};
struct Parameter {
  std::string name;
  llvm::SMLoc loc;
  ExprPtr annotation, value; // either may be null
};
struct FunctionStmt : StmtOf<Stmt::Kind::Function> {
  using StmtOf::StmtOf;
  std::string name;
  llvm::SMLoc nameLoc;
  std::vector<Parameter> parameters;
  Block body;
};
struct ClassStmt : StmtOf<Stmt::Kind::Class> {
  using StmtOf::StmtOf;
  std::string name, base; // base as written: Model, Module, or something wrong
  llvm::SMLoc nameLoc, baseLoc;
  std::vector<Parameter> parameters;
  Block body;
};
/// A docstring, or an expression whose value is dropped.
struct ExpressionStmt : StmtOf<Stmt::Kind::Expression> {
  using StmtOf::StmtOf;
  ExprPtr value;
};

struct File {
  Block body;
};

//===----------------------------------------------------------------------===//
// Making and printing
//===----------------------------------------------------------------------===//

/// Parses buffer `bufferId` of `sources`. The first error is reported through
/// `sources`; returns null then. Throws nothing.
std::unique_ptr<File> parseFile(llvm::SourceMgr &sources, unsigned bufferId);

/// One node a line, children indented; the same tree prints the same text.
void printFile(const File &file, llvm::raw_ostream &os);

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_AST_H
