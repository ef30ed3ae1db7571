//===- AST.h - the syntax of a config file ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the parser hands to the evaluator. Ranges and names point into the
// SourceMgr's buffer, which outlives the tree. Runs of operators of one
// precedence are one node with many operands, so the depth of a tree is bounded
// by the nesting of brackets and recursion over it is safe.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_AST_H
#define COLO_LIB_FRONTEND_CONFIG_AST_H

#include "colo/Frontend/Diagnostics.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace colo::config {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// An operator as it is spelled ("+", "not in"), and where.
struct Operator {
  std::string spelling;
  llvm::SMLoc loc;
};

/// An element of a call, a list or a dict. `key` is set in a dict literal.
struct Argument {
  enum Kind { Plain, Keyword, Star, DoubleStar } kind = Plain;
  llvm::StringRef name; // of a Keyword
  llvm::SMRange nameRange;
  ExprPtr key;
  ExprPtr value;
};

/// What follows an atom: `.name`, `(arguments)`, `[index]` or `[a:b:c]`.
struct Trailer {
  enum Kind { Attribute, Call, Index, Slice } kind;
  llvm::StringRef name; // of an Attribute
  llvm::SMRange range;  // of the trailer alone
  std::vector<Argument> arguments;
  ExprPtr index;
  ExprPtr slice[3]; // null where left out
};

/// One piece of an f-string: text, or an expression to be formatted.
struct FormatPart {
  std::string text;
  ExprPtr value;
  char conversion = 0; // 'r', 's' or 'a'
  std::vector<FormatPart> spec;
};

enum class ExprKind {
  None,
  Bool,
  Integer,
  Float,
  String,
  Format,      // parts
  Name,        // text
  Tuple,       // arguments
  List,        // arguments
  Dict,        // arguments
  Postfix,     // operands[0], trailers
  Prefix,      // operators (outermost first), operands[0]
  Chain,       // operands, operators between them, from the left
  Power,       // operands, `**` between them from the right; signs of operand i in exponentSigns[i]
  Compare,     // operands, operators between them
  And,         // operands
  Or,          // operands
  Conditional, // value, condition, value, condition, …, value
};

struct Expr {
  ExprKind kind;
  llvm::SMRange range;
  llvm::StringRef text;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string string;
  std::vector<FormatPart> parts;
  std::vector<ExprPtr> operands;
  std::vector<Operator> operators;
  std::vector<std::vector<Operator>> exponentSigns;
  std::vector<Argument> arguments;
  std::vector<Trailer> trailers;

  Expr(ExprKind kind, llvm::SMRange range) : kind(kind), range(range) {}
};

/// `import a.b as c` binds c to "a.b"; a plain `import a.b` binds a to "a".
struct Import {
  llvm::StringRef name;
  llvm::SMRange nameRange;
  std::string symbol;
  bool star = false; // from m import *
};

struct Statement {
  enum Kind { Assign, Augmented, ImportNames, Evaluate } kind = Evaluate;
  std::vector<ExprPtr> targets;
  Operator op; // of Augmented, without the "="
  ExprPtr value;
  std::vector<Import> imports;
};

using Module = std::vector<Statement>;

/// Parses the whole buffer. nullopt after one diagnostic. Throws nothing.
std::optional<Module> parseModule(llvm::StringRef text, Diagnostics &diagnostics);

/// Parses the text between the braces of an f-string, a part of the buffer.
ExprPtr parseEmbedded(llvm::StringRef text, Diagnostics &diagnostics);

/// Decodes adjacent string literals into a String or a Format expression. Null
/// after one diagnostic.
ExprPtr decodeStrings(llvm::ArrayRef<llvm::StringRef> literals, Diagnostics &diagnostics);

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_AST_H
