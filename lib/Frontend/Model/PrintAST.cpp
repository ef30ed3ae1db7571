//===- PrintAST.cpp - the syntax tree as text -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Statements one a line, nested by indentation; expressions in prefix form, so
// that the text shows how operators were grouped: `a + b * c` is
// `(+ a (* b c))`.
//
//===----------------------------------------------------------------------===//

#include "AST.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace colo::model {

StringRef spelling(Operator op) {
  static const StringRef names[] = {"+",  "-",  "*",  "/",  "//",     "%",   "**", "@",   "<", ">", "<=",
                                    ">=", "==", "!=", "is", "is not", "and", "or", "not", "-", "+"};
  return names[static_cast<int>(op)];
}

namespace {

class Printer {
public:
  explicit Printer(raw_ostream &os) : os(os) {}
  void print(const Block &block);

private:
  void print(const Stmt &stmt);
  void print(const Expr &expr);
  void print(const CallExpr &call);
  void print(const Subscript &subscript);
  void printOptional(const ExprPtr &expr);
  void printPrefix(StringRef name, ArrayRef<const Expr *> operands);
  void printElements(StringRef open, const std::vector<ExprPtr> &elements, StringRef close);
  void printParameters(const std::vector<Parameter> &parameters);
  void printTargets(const std::vector<Target> &targets);
  void printNested(const Block &block);
  void printDefinition(const Stmt &stmt);

  raw_ostream &os;
  unsigned depth = 0;
};

void Printer::print(const Block &block) {
  for (const StmtPtr &stmt : block) {
    os.indent(2 * depth);
    print(*stmt);
  }
}

void Printer::printNested(const Block &block) {
  ++depth;
  print(block);
  --depth;
}

void Printer::printOptional(const ExprPtr &expr) {
  if (expr)
    print(*expr);
}

/// `(name operand …)`
void Printer::printPrefix(StringRef name, ArrayRef<const Expr *> operands) {
  os << "(" << name;
  for (const Expr *operand : operands) {
    os << " ";
    print(*operand);
  }
  os << ")";
}

void Printer::printElements(StringRef open, const std::vector<ExprPtr> &elements, StringRef close) {
  os << open;
  interleaveComma(elements, os, [&](const ExprPtr &element) { print(*element); });
  os << close;
}

void Printer::printParameters(const std::vector<Parameter> &parameters) {
  interleaveComma(parameters, os, [&](const Parameter &parameter) {
    os << parameter.name;
    if (parameter.annotation) {
      os << ": ";
      print(*parameter.annotation);
    }
    if (parameter.value) {
      os << " = ";
      print(*parameter.value);
    }
  });
}

void Printer::printTargets(const std::vector<Target> &targets) {
  interleaveComma(targets, os, [&](const Target &target) { os << target.name; });
}

void Printer::print(const Subscript &subscript) {
  if (!subscript.isSlice)
    return print(*subscript.index);
  printOptional(subscript.start);
  os << ":";
  printOptional(subscript.stop);
  if (subscript.step) {
    os << ":";
    print(*subscript.step);
  }
}

void Printer::print(const CallExpr &call) {
  print(*call.callee);
  os << "(";
  interleaveComma(call.arguments, os, [&](const Argument &argument) {
    if (!argument.name.empty())
      os << argument.name << "=";
    print(*argument.value);
  });
  os << ")";
}

void Printer::print(const Expr &expr) {
  switch (expr.kind) {
  case Expr::Kind::Name:
    os << cast<NameExpr>(expr).name;
    return;
  case Expr::Kind::Integer:
    os << cast<IntegerExpr>(expr).value;
    return;
  case Expr::Kind::Real:
    os << cast<RealExpr>(expr).spelling;
    return;
  case Expr::Kind::String:
    os << '"';
    printEscapedString(cast<StringExpr>(expr).value, os);
    os << '"';
    return;
  case Expr::Kind::Bool:
    os << (cast<BoolExpr>(expr).value ? "True" : "False");
    return;
  case Expr::Kind::None:
    os << "None";
    return;
  case Expr::Kind::Unary:
    return printPrefix(spelling(cast<UnaryExpr>(expr).op), {cast<UnaryExpr>(expr).operand.get()});
  case Expr::Kind::Binary:
    return printPrefix(spelling(cast<BinaryExpr>(expr).op),
                       {cast<BinaryExpr>(expr).lhs.get(), cast<BinaryExpr>(expr).rhs.get()});
  case Expr::Kind::Conditional: {
    const auto &choice = cast<ConditionalExpr>(expr);
    return printPrefix("if", {choice.condition.get(), choice.then.get(), choice.otherwise.get()});
  }
  case Expr::Kind::Call:
    return print(cast<CallExpr>(expr));
  case Expr::Kind::Subscript: {
    const auto &subscript = cast<SubscriptExpr>(expr);
    print(*subscript.base);
    os << "[";
    interleaveComma(subscript.subscripts, os, [&](const Subscript &entry) { print(entry); });
    os << "]";
    return;
  }
  case Expr::Kind::Attribute:
    print(*cast<AttributeExpr>(expr).base);
    os << "." << cast<AttributeExpr>(expr).name;
    return;
  case Expr::Kind::List:
    return printElements("[", cast<ListExpr>(expr).elements, "]");
  case Expr::Kind::Tuple:
    return printElements("(", cast<TupleExpr>(expr).elements, ")");
  case Expr::Kind::Comprehension: {
    const auto &comprehension = cast<ComprehensionExpr>(expr);
    os << "[";
    print(*comprehension.element);
    os << " for " << join(comprehension.names, ", ") << " in ";
    print(*comprehension.iterable);
    os << "]";
    return;
  }
  }
}

void Printer::printDefinition(const Stmt &stmt) {
  auto *function = dyn_cast<FunctionStmt>(&stmt);
  auto *definition = dyn_cast<ClassStmt>(&stmt);
  if (function)
    os << "function " << function->name << "(";
  else
    os << "class " << definition->name << " : " << definition->base << "(";
  printParameters(function ? function->parameters : definition->parameters);
  os << ")\n";
  printNested(function ? function->body : definition->body);
}

void Printer::print(const Stmt &stmt) {
  switch (stmt.kind) {
  case Stmt::Kind::Assign: {
    const auto &assign = cast<AssignStmt>(stmt);
    os << "assign ";
    printTargets(assign.targets);
    os << " = ";
    print(*assign.value);
    break;
  }
  case Stmt::Kind::Augmented: {
    const auto &augmented = cast<AugmentedStmt>(stmt);
    os << "assign " << augmented.target.name << " " << spelling(augmented.op) << "= ";
    print(*augmented.value);
    break;
  }
  case Stmt::Kind::Return:
    os << "return ";
    printOptional(cast<ReturnStmt>(stmt).value);
    break;
  case Stmt::Kind::Assert:
    os << "assert ";
    print(*cast<AssertStmt>(stmt).condition);
    os << (cast<AssertStmt>(stmt).message ? ", " : "");
    printOptional(cast<AssertStmt>(stmt).message);
    break;
  case Stmt::Kind::Expression:
    os << "expression ";
    print(*cast<ExpressionStmt>(stmt).value);
    break;
  case Stmt::Kind::If: {
    const auto &branch = cast<IfStmt>(stmt);
    os << "if ";
    print(*branch.condition);
    os << "\n";
    printNested(branch.then);
    if (!branch.otherwise.empty()) {
      os.indent(2 * depth) << "else\n";
      printNested(branch.otherwise);
    }
    return;
  }
  case Stmt::Kind::For: {
    const auto &loop = cast<ForStmt>(stmt);
    os << "for ";
    printTargets(loop.targets);
    os << " in ";
    print(*loop.iterable);
    os << "\n";
    return printNested(loop.body);
  }
  case Stmt::Kind::Function:
  case Stmt::Kind::Class:
    return printDefinition(stmt);
  }
  os << "\n";
}

} // namespace

void printFile(const File &file, raw_ostream &os) { Printer(os).print(file.body); }

} // namespace colo::model
