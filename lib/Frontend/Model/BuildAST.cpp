//===- BuildAST.cpp - from ANTLR's parse tree to ours -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildAST.h"
#include "Layout.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/ConvertUTF.h"

using namespace llvm;
using P = colo::model::ColoModelParser;

namespace colo::model {
namespace {

class Builder {
public:
  explicit Builder(StringRef text) : text(text) {}
  std::unique_ptr<File> build(P::FileContext *tree);

private:
  // Statements.
  void add(P::SimpleStatementContext *line, Block &block);
  void add(P::StatementContext *statement, Block &block);
  StmtPtr build(P::SmallStatementContext *statement);
  StmtPtr build(P::IfStatementContext *statement, size_t branch);
  StmtPtr build(P::ForStatementContext *statement);
  StmtPtr build(P::ClassDefContext *definition);
  StmtPtr build(P::FunctionDefContext *definition);
  Block build(P::BlockContext *block);
  std::vector<Parameter> build(P::ParametersContext *parameters);
  std::vector<Target> targets(P::ExpressionListContext *list);
  std::vector<Target> targets(P::NameListContext *list);
  Target target(antlr4::ParserRuleContext *context);

  // Expressions.
  ExprPtr build(P::ExpressionContext *expression);
  ExprPtr build(P::ExpressionListContext *list);
  ExprPtr operand(P::ExpressionContext *expression);
  ExprPtr binary(P::ExpressionContext *whole, P::ExpressionContext *lhs, P::ExpressionContext *rhs,
                 antlr4::Token *symbol, Operator op);
  ExprPtr comparison(P::ComparisonContext *expression);
  ExprPtr call(P::CallContext *expression);
  ExprPtr subscripted(P::SubscriptedContext *expression);
  ExprPtr literal(P::ExpressionContext *expression);
  ExprPtr sequence(P::ExpressionContext *expression);
  ExprPtr integer(P::IntegerContext *expression);
  ExprPtr real(P::RealContext *expression);
  ExprPtr string(P::StringContext *expression);
  std::string unescape(antlr4::Token *token);

  // Places.
  SMLoc start(const antlr4::Token *token) const { return SMLoc::getFromPointer(text.data() + token->getStartIndex()); }
  SMRange range(antlr4::ParserRuleContext *context) const {
    return SMRange(start(context->getStart()),
                   SMLoc::getFromPointer(text.data() + context->getStop()->getStopIndex() + 1));
  }
  [[noreturn]] void fail(antlr4::ParserRuleContext *context, std::string message) const {
    throw SyntaxError{context->getStart()->getStartIndex(), context->getStop()->getStopIndex() + 1, std::move(message)};
  }
  [[noreturn]] void fail(const antlr4::Token *token, std::string message) const {
    throw SyntaxError{token->getStartIndex(), token->getStopIndex() + 1, std::move(message)};
  }

  StringRef text;
};

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

std::unique_ptr<File> Builder::build(P::FileContext *tree) {
  auto file = std::make_unique<File>();
  for (P::ItemContext *item : tree->item()) {
    if (item->simpleStatement())
      add(item->simpleStatement(), file->body);
    else if (item->classDef())
      file->body.push_back(build(item->classDef()));
    else if (item->functionDef())
      file->body.push_back(build(item->functionDef()));
  }
  return file;
}

void Builder::add(P::SimpleStatementContext *line, Block &block) {
  for (P::SmallStatementContext *small : line->smallStatement())
    if (StmtPtr statement = build(small))
      block.push_back(std::move(statement));
}

void Builder::add(P::StatementContext *statement, Block &block) {
  if (statement->simpleStatement())
    add(statement->simpleStatement(), block);
  else if (statement->ifStatement())
    block.push_back(build(statement->ifStatement(), 0));
  else if (statement->forStatement())
    block.push_back(build(statement->forStatement()));
  else if (statement->functionDef())
    block.push_back(build(statement->functionDef()));
  else
    block.push_back(build(statement->classDef()));
}

Block Builder::build(P::BlockContext *context) {
  Block block;
  if (context->simpleStatement())
    add(context->simpleStatement(), block);
  for (P::StatementContext *statement : context->statement())
    add(statement, block);
  return block;
}

Target Builder::target(antlr4::ParserRuleContext *context) {
  auto *name = dynamic_cast<P::NameContext *>(context);
  if (!name)
    fail(context, "only a name, or names separated by commas, can be assigned to");
  return {name->getText(), start(name->getStart())};
}

std::vector<Target> Builder::targets(P::ExpressionListContext *list) {
  // `(a, b) = …` is `a, b = …`.
  if (list->expression().size() == 1 && !list->comma)
    if (auto *group = dynamic_cast<P::ParenthesizedContext *>(list->expression(0)))
      if (group->expressionList())
        return targets(group->expressionList());
  std::vector<Target> result;
  for (P::ExpressionContext *expression : list->expression())
    result.push_back(target(expression));
  return result;
}

std::vector<Target> Builder::targets(P::NameListContext *list) {
  std::vector<Target> result;
  for (antlr4::tree::TerminalNode *name : list->NAME())
    result.push_back({name->getText(), start(name->getSymbol())});
  return result;
}

static bool isTuple(P::ExpressionListContext *list) {
  if (list->expression().size() > 1 || list->comma)
    return true;
  auto *group = dynamic_cast<P::ParenthesizedContext *>(list->expression(0));
  return group && group->expressionList() && isTuple(group->expressionList());
}

static Operator binaryOperator(StringRef symbol) {
  return StringSwitch<Operator>(symbol)
      .Case("+", Operator::Add)
      .Case("-", Operator::Sub)
      .Case("*", Operator::Mul)
      .Case("/", Operator::Div)
      .Case("//", Operator::FloorDiv)
      .Case("%", Operator::Mod)
      .Case("**", Operator::Pow)
      .Case("@", Operator::MatMul)
      .Case("and", Operator::And)
      .Default(Operator::Or);
}

/// Null for `pass`.
StmtPtr Builder::build(P::SmallStatementContext *context) {
  SMLoc loc = start(context->getStart());
  if (auto *assign = dynamic_cast<P::AssignStatementContext *>(context)) {
    auto result = std::make_unique<AssignStmt>(loc);
    result->targets = targets(assign->expressionList(0));
    result->unpacks = isTuple(assign->expressionList(0));
    result->value = build(assign->expressionList(1));
    return result;
  }
  if (auto *augmented = dynamic_cast<P::AugmentedStatementContext *>(context)) {
    auto result = std::make_unique<AugmentedStmt>(start(augmented->op));
    result->target = target(augmented->expression());
    result->op = binaryOperator(StringRef(augmented->op->getText()).drop_back());
    result->value = build(augmented->expressionList());
    return result;
  }
  if (auto *back = dynamic_cast<P::ReturnStatementContext *>(context)) {
    auto result = std::make_unique<ReturnStmt>(loc);
    if (back->expressionList())
      result->value = build(back->expressionList());
    return result;
  }
  if (auto *assertion = dynamic_cast<P::AssertStatementContext *>(context)) {
    auto result = std::make_unique<AssertStmt>(loc);
    result->condition = build(assertion->expression(0));
    if (assertion->expression().size() > 1)
      result->message = build(assertion->expression(1));
    return result;
  }
  if (auto *expression = dynamic_cast<P::ExpressionStatementContext *>(context)) {
    auto result = std::make_unique<ExpressionStmt>(loc);
    result->value = build(expression->expressionList());
    return result;
  }
  return nullptr;
}

StmtPtr Builder::build(P::IfStatementContext *context, size_t branch) {
  // Each branch nests in the tree.
  if (context->expression().size() > maxOperators)
    fail(context->getStart(), "an 'if' may have at most " + std::to_string(maxOperators) + " branches");
  auto result = std::make_unique<IfStmt>(start(context->expression(branch)->getStart()));
  result->condition = build(context->expression(branch));
  result->then = build(context->block(branch));
  if (branch + 1 < context->expression().size())
    result->otherwise.push_back(build(context, branch + 1));
  else if (branch + 1 < context->block().size())
    result->otherwise = build(context->block(branch + 1));
  return result;
}

StmtPtr Builder::build(P::ForStatementContext *context) {
  auto result = std::make_unique<ForStmt>(start(context->getStart()));
  result->targets = targets(context->nameList());
  result->iterable = build(context->expressionList());
  result->body = build(context->block());
  return result;
}

std::vector<Parameter> Builder::build(P::ParametersContext *context) {
  std::vector<Parameter> result;
  if (!context)
    return result;
  for (P::ParameterContext *parameter : context->parameter()) {
    const antlr4::Token *symbol = parameter->NAME()->getSymbol();
    for (const Parameter &other : result)
      if (other.name == symbol->getText())
        fail(symbol, "there is already a parameter named '" + other.name + "'");
    if (!parameter->value && !result.empty() && result.back().value)
      fail(symbol, "parameter '" + symbol->getText() + "' without a default follows '" + result.back().name +
                       "', which has one");
    Parameter entry{symbol->getText(), start(symbol), nullptr, nullptr};
    if (parameter->annotation)
      entry.annotation = build(parameter->annotation);
    if (parameter->value)
      entry.value = build(parameter->value);
    result.push_back(std::move(entry));
  }
  return result;
}

StmtPtr Builder::build(P::FunctionDefContext *context) {
  auto result = std::make_unique<FunctionStmt>(start(context->getStart()));
  result->name = context->NAME()->getText();
  result->nameLoc = start(context->NAME()->getSymbol());
  result->parameters = build(context->parameters());
  result->body = build(context->block());
  return result;
}

StmtPtr Builder::build(P::ClassDefContext *context) {
  auto result = std::make_unique<ClassStmt>(start(context->getStart()));
  result->name = context->NAME()->getText();
  result->nameLoc = result->baseLoc = start(context->NAME()->getSymbol());
  if (context->packaged)
    fail(context->packaged,
         "class " + result->name + " must begin with its kind: Model, or Module for a part, without a package");
  if (P::ParametersContext *list = context->parameters()) {
    for (P::ParameterContext *parameter : list->parameter())
      if (parameter->annotation)
        fail(parameter->annotation, "the parameters of a class are not annotated");
    result->parameters = build(list);
    Parameter &first = result->parameters.front();
    if (!first.value) {
      result->base = first.name;
      result->baseLoc = first.loc;
      result->parameters.erase(result->parameters.begin());
    }
  }
  result->body = build(context->block());
  return result;
}

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

ExprPtr Builder::build(P::ExpressionListContext *list) {
  if (list->expression().size() == 1 && !list->comma)
    return build(list->expression(0));
  auto result = std::make_unique<TupleExpr>(range(list));
  for (P::ExpressionContext *element : list->expression())
    result->elements.push_back(build(element));
  return result;
}

/// An operand of anything that binds tighter than `not`: Python has no
/// `a == not b`.
ExprPtr Builder::operand(P::ExpressionContext *expression) {
  auto *unary = dynamic_cast<P::UnaryContext *>(expression);
  if (unary && unary->op->getText() == "not")
    fail(unary->op, "'not' needs parentheses here");
  return build(expression);
}

ExprPtr Builder::binary(P::ExpressionContext *whole, P::ExpressionContext *lhs, P::ExpressionContext *rhs,
                        antlr4::Token *symbol, Operator op) {
  auto result = std::make_unique<BinaryExpr>(range(whole));
  result->loc = start(symbol);
  result->op = op;
  bool isLogical = op == Operator::And || op == Operator::Or;
  result->lhs = isLogical ? build(lhs) : operand(lhs);
  result->rhs = isLogical ? build(rhs) : operand(rhs);
  return result;
}

ExprPtr Builder::comparison(P::ComparisonContext *expression) {
  antlr4::Token *symbol = expression->comparator()->getStart();
  if (dynamic_cast<P::ComparisonContext *>(expression->expression(0)))
    fail(symbol, "comparisons cannot be chained; write 'a < b and b < c'");
  Operator op = StringSwitch<Operator>(expression->comparator()->getText())
                    .Case("<", Operator::Less)
                    .Case(">", Operator::Greater)
                    .Case("<=", Operator::LessEqual)
                    .Case(">=", Operator::GreaterEqual)
                    .Case("==", Operator::Equal)
                    .Case("!=", Operator::NotEqual)
                    .Case("is", Operator::Is)
                    .Default(Operator::IsNot);
  return binary(expression, expression->expression(0), expression->expression(1), symbol, op);
}

ExprPtr Builder::call(P::CallContext *expression) {
  auto result = std::make_unique<CallExpr>(range(expression));
  result->callee = operand(expression->expression());
  if (!expression->arguments())
    return result;
  for (P::ArgumentContext *argument : expression->arguments()->argument()) {
    Argument entry{"", start(argument->getStart()), nullptr};
    if (argument->NAME()) {
      entry.name = argument->NAME()->getText();
      for (const Argument &other : result->arguments)
        if (other.name == entry.name)
          fail(argument->getStart(), "argument '" + entry.name + "' is given twice");
    } else if (!result->arguments.empty() && !result->arguments.back().name.empty()) {
      fail(argument, "a positional argument cannot follow '" + result->arguments.back().name + "=…'");
    }
    entry.value = build(argument->expression());
    result->arguments.push_back(std::move(entry));
  }
  return result;
}

ExprPtr Builder::subscripted(P::SubscriptedContext *expression) {
  auto result = std::make_unique<SubscriptExpr>(range(expression));
  result->base = operand(expression->expression());
  for (P::SubscriptContext *context : expression->subscript()) {
    Subscript entry;
    entry.range = range(context);
    if (auto *index = dynamic_cast<P::IndexSubscriptContext *>(context)) {
      entry.index = build(index->expression());
    } else {
      auto *slice = static_cast<P::SliceSubscriptContext *>(context);
      entry.isSlice = true;
      entry.start = slice->start ? build(slice->start) : nullptr;
      entry.stop = slice->stop ? build(slice->stop) : nullptr;
      entry.step = slice->step ? build(slice->step) : nullptr;
    }
    result->subscripts.push_back(std::move(entry));
  }
  return result;
}

ExprPtr Builder::build(P::ExpressionContext *expression) {
  if (auto *attribute = dynamic_cast<P::AttributeContext *>(expression)) {
    auto result = std::make_unique<AttributeExpr>(range(attribute));
    result->base = operand(attribute->expression());
    result->name = attribute->NAME()->getText();
    result->loc = start(attribute->NAME()->getSymbol());
    return result;
  }
  if (auto *context = dynamic_cast<P::SubscriptedContext *>(expression))
    return subscripted(context);
  if (auto *context = dynamic_cast<P::CallContext *>(expression))
    return call(context);
  if (auto *context = dynamic_cast<P::BinaryContext *>(expression))
    return binary(context, context->expression(0), context->expression(1), context->op,
                  binaryOperator(context->op->getText()));
  if (auto *context = dynamic_cast<P::ComparisonContext *>(expression))
    return comparison(context);
  if (auto *context = dynamic_cast<P::UnaryContext *>(expression)) {
    auto result = std::make_unique<UnaryExpr>(range(context));
    std::string symbol = context->op->getText();
    result->op = symbol == "-" ? Operator::Negate : symbol == "+" ? Operator::Plus : Operator::Not;
    result->operand = result->op == Operator::Not ? build(context->expression()) : operand(context->expression());
    return result;
  }
  if (auto *context = dynamic_cast<P::ConditionalContext *>(expression)) {
    auto result = std::make_unique<ConditionalExpr>(range(context));
    result->then = build(context->expression(0));
    result->condition = build(context->expression(1));
    result->otherwise = build(context->expression(2));
    return result;
  }
  if (ExprPtr result = sequence(expression))
    return result;
  return literal(expression);
}

/// Parentheses, lists and comprehensions; null for anything else.
ExprPtr Builder::sequence(P::ExpressionContext *expression) {
  if (auto *group = dynamic_cast<P::ParenthesizedContext *>(expression)) {
    if (!group->expressionList())
      return std::make_unique<TupleExpr>(range(group));
    return build(group->expressionList());
  }
  if (auto *list = dynamic_cast<P::ListContext *>(expression)) {
    auto result = std::make_unique<ListExpr>(range(list));
    for (P::ExpressionContext *element : list->expression())
      result->elements.push_back(build(element));
    return result;
  }
  if (auto *comprehension = dynamic_cast<P::ComprehensionContext *>(expression)) {
    auto result = std::make_unique<ComprehensionExpr>(range(comprehension));
    result->element = build(comprehension->expression(0));
    for (Target &name : targets(comprehension->nameList()))
      result->names.push_back(name.name);
    result->iterable = build(comprehension->expression(1));
    return result;
  }
  return nullptr;
}

ExprPtr Builder::literal(P::ExpressionContext *expression) {
  if (auto *name = dynamic_cast<P::NameContext *>(expression)) {
    auto result = std::make_unique<NameExpr>(range(name));
    result->name = name->getText();
    return result;
  }
  if (auto *context = dynamic_cast<P::IntegerContext *>(expression))
    return integer(context);
  if (auto *context = dynamic_cast<P::RealContext *>(expression))
    return real(context);
  if (auto *context = dynamic_cast<P::StringContext *>(expression))
    return string(context);
  auto *constant = static_cast<P::ConstantContext *>(expression);
  if (constant->value->getText() == "None")
    return std::make_unique<NoneExpr>(range(constant));
  auto result = std::make_unique<BoolExpr>(range(constant));
  result->value = constant->value->getText() == "True";
  return result;
}

ExprPtr Builder::integer(P::IntegerContext *expression) {
  std::string digits = expression->getText();
  llvm::erase(digits, '_');
  auto result = std::make_unique<IntegerExpr>(range(expression));
  if (StringRef(digits).getAsInteger(10, result->value))
    fail(expression, "the number does not fit in 64 bits");
  return result;
}

ExprPtr Builder::real(P::RealContext *expression) {
  std::string digits = expression->getText();
  llvm::erase(digits, '_');
  auto result = std::make_unique<RealExpr>(range(expression));
  result->spelling = expression->getText();
  // The lexer has checked the form; only the size of the exponent can be wrong.
  if (StringRef(digits).getAsDouble(result->value))
    fail(expression, "the number does not fit in a double");
  return result;
}

ExprPtr Builder::string(P::StringContext *expression) {
  auto result = std::make_unique<StringExpr>(range(expression));
  for (antlr4::tree::TerminalNode *part : expression->STRING())
    result->value += unescape(part->getSymbol());
  return result;
}

std::string Builder::unescape(antlr4::Token *token) {
  static constexpr StringLiteral letters = "ntr\\'\"", values = "\n\t\r\\'\"";
  std::string spelled = token->getText();
  size_t quotes =
      spelled.size() >= 6 && (spelled.compare(0, 3, "\"\"\"") == 0 || spelled.compare(0, 3, "'''") == 0) ? 3 : 1;
  std::string result;
  for (size_t i = quotes, end = spelled.size() - quotes; i < end; ++i) {
    if (spelled[i] != '\\') {
      result += spelled[i];
      continue;
    }
    char escaped = spelled[++i];
    if (escaped == '\n')
      continue;
    size_t known = letters.find(escaped);
    if (known == StringRef::npos)
      fail(token, "the escapes of strings are \\n, \\t, \\r, \\\\, \\' and \\\"");
    result += values[known];
  }
  return result;
}

} // namespace

std::unique_ptr<File> buildAST(P::FileContext *tree, StringRef text) { return Builder(text).build(tree); }

} // namespace colo::model
