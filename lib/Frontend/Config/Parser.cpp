//===- Parser.cpp - ANTLR's parse tree into an AST ------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The walk from the parse tree to the AST. This file and Tokens.cpp are the
// only ones that know ANTLR; what it throws is caught at the two entry points.
//
//===----------------------------------------------------------------------===//

#include "AST.h"
#include "ColoConfigLexer.h"
#include "ColoConfigParser.h"
#include "Tokens.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace colo::config {
namespace {

using grammar::ColoConfigLexer;
using Grammar = grammar::ColoConfigParser;
using antlr4::ParserRuleContext;
using antlr4::Token;
using antlr4::tree::ParseTree;
using antlr4::tree::TerminalNode;

/// Leaves the parse after a problem was reported.
struct Reported {};

/// Turns the first syntax error into a diagnostic and stops.
class SyntaxErrors : public antlr4::BaseErrorListener {
public:
  SyntaxErrors(ByteStream &stream, Diagnostics &diagnostics) : stream(stream), diagnostics(diagnostics) {}

  void syntaxError(antlr4::Recognizer *recognizer, Token *token, size_t, size_t, const std::string &,
                   std::exception_ptr) override {
    auto *parser = static_cast<antlr4::Parser *>(recognizer);
    std::string message = "syntax error: unexpected " + describe(token);
    antlr4::misc::IntervalSet expected = parser->getExpectedTokens();
    SmallVector<std::string> names;
    for (ssize_t type : expected.toList()) {
      bool closes = type == ColoConfigLexer::CLOSE_PAREN || type == ColoConfigLexer::CLOSE_BRACKET ||
                    type == ColoConfigLexer::CLOSE_BRACE;
      // The parser has decided that the list ends, but a comma would continue it.
      if (closes && !expected.contains(parser->getTokenType("','")))
        names.push_back("','");
      if (type != ssize_t(Token::EOF))
        names.push_back(parser->getVocabulary().getDisplayName(type));
    }
    // A long list says nothing; an operand can be missing nearly anywhere.
    if (!names.empty() && names.size() <= 4)
      message += "; expected " + join(names, " or ");
    diagnostics.error(stream.start(token), message);
    throw Reported();
  }

private:
  std::string describe(const Token *token) const {
    if (token->getType() == Token::EOF)
      return "end of the text";
    if (token->getType() == ColoConfigLexer::NEWLINE)
      return "end of the line";
    return ("'" + stream.spelling(token) + "'").str();
  }

  ByteStream &stream;
  Diagnostics &diagnostics;
};

/// Builds the AST of one parse tree.
class Builder {
public:
  Builder(ByteStream &stream, Diagnostics &diagnostics) : stream(stream), diagnostics(diagnostics) {}

  Module module(Grammar::FileContext *file);
  ExprPtr list(Grammar::ExpressionListContext *context);

private:
  void simple(Grammar::SimpleContext *context, Module &module);
  void assignment(Grammar::AssignmentContext *context, Module &module);
  void importName(Grammar::ImportNameContext *context, Module &module);
  void importFrom(Grammar::ImportFromContext *context, Module &module);
  void checkTarget(const Expr &target);

  ExprPtr expression(Grammar::ExpressionContext *context);
  ExprPtr logical(Grammar::OrTestContext *context);
  ExprPtr logical(Grammar::AndTestContext *context);
  ExprPtr logical(Grammar::NotTestContext *context);
  ExprPtr comparison(Grammar::ComparisonContext *context);
  ExprPtr factor(Grammar::FactorContext *context);
  ExprPtr power(Grammar::PowerContext *context);
  ExprPtr postfix(Grammar::PostfixContext *context);
  ExprPtr atom(Grammar::AtomContext *context);
  ExprPtr integer(Token *token);
  ExprPtr real(Token *token);
  Trailer trailer(Grammar::TrailerContext *context);
  Argument argument(Grammar::ArgumentContext *context);
  std::vector<Argument> elements(Grammar::ExpressionListContext *context);

  /// A rule of the form `operand (operator operand)*`.
  template <typename Operand, typename Build> ExprPtr chain(ParserRuleContext *context, Build build);

  SMRange range(const Token *first, const Token *last) const { return SMRange(stream.start(first), stream.end(last)); }
  SMRange range(ParserRuleContext *context) const { return range(context->getStart(), context->getStop()); }
  StringRef spelling(TerminalNode *node) const { return stream.spelling(node->getSymbol()); }
  Operator op(Token *token) const { return {stream.spelling(token).str(), stream.start(token)}; }
  Operator op(ParseTree *tree) const { return op(static_cast<TerminalNode *>(tree)->getSymbol()); }
  template <typename Context> std::vector<Operator> signs(Context *context) const {
    std::vector<Operator> result;
    for (Grammar::SignContext *sign : context->sign())
      result.push_back(op(sign->getStart()));
    return result;
  }
  [[noreturn]] void fail(SMLoc loc, const Twine &message) {
    diagnostics.error(loc, message);
    throw Reported();
  }

  ByteStream &stream;
  Diagnostics &diagnostics;
};

} // namespace

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

Module Builder::module(Grammar::FileContext *file) {
  Module module;
  for (Grammar::StatementContext *statement : file->statement())
    for (Grammar::SimpleContext *part : statement->simple())
      simple(part, module);
  return module;
}

void Builder::simple(Grammar::SimpleContext *context, Module &module) {
  if (context->assignment())
    assignment(context->assignment(), module);
  else if (context->importName())
    importName(context->importName(), module);
  else if (context->importFrom())
    importFrom(context->importFrom(), module);
}

void Builder::assignment(Grammar::AssignmentContext *context, Module &module) {
  std::vector<Grammar::ExpressionListContext *> lists = context->expressionList();
  // `name: type` without a value states nothing.
  if (context->expression() && lists.size() == 1)
    return;
  Statement statement;
  for (size_t i = 0; i + 1 < lists.size(); ++i) {
    statement.targets.push_back(list(lists[i]));
    checkTarget(*statement.targets.back());
  }
  statement.value = list(lists.back());
  if (TerminalNode *augmented = context->AUGMENTED()) {
    statement.kind = Statement::Augmented;
    statement.op = op(augmented->getSymbol());
    statement.op.spelling.pop_back();
    if (statement.targets[0]->kind != ExprKind::Name)
      fail(statement.targets[0]->range.Start, "'" + Twine(statement.op.spelling) + "=' changes a name only");
  } else if (!statement.targets.empty()) {
    statement.kind = Statement::Assign;
  }
  module.push_back(std::move(statement));
}

void Builder::checkTarget(const Expr &target) {
  if (target.kind == ExprKind::Name)
    return;
  if (target.kind == ExprKind::Tuple || target.kind == ExprKind::List) {
    for (const Argument &element : target.arguments) {
      if (element.kind != Argument::Plain)
        fail(element.nameRange.Start, "a starred name cannot be assigned to");
      checkTarget(*element.value);
    }
    return;
  }
  if (target.kind == ExprKind::Postfix && target.operands[0]->kind == ExprKind::Name &&
      all_of(target.trailers,
             [](const Trailer &part) { return part.kind == Trailer::Attribute || part.kind == Trailer::Index; }))
    return;
  fail(target.range.Start, "this cannot be assigned to; write a name, or an entry of a dict");
}

void Builder::importName(Grammar::ImportNameContext *context, Module &module) {
  Statement statement;
  statement.kind = Statement::ImportNames;
  for (Grammar::ImportedModuleContext *imported : context->importedModule()) {
    std::vector<TerminalNode *> path = imported->dottedName()->NAME();
    TerminalNode *bound = imported->NAME() ? imported->NAME() : path[0];
    Import import;
    import.name = spelling(bound);
    import.nameRange = range(bound->getSymbol(), bound->getSymbol());
    import.symbol = imported->NAME() ? imported->dottedName()->getText() : spelling(path[0]).str();
    statement.imports.push_back(std::move(import));
  }
  module.push_back(std::move(statement));
}

void Builder::importFrom(Grammar::ImportFromContext *context, Module &module) {
  Statement statement;
  statement.kind = Statement::ImportNames;
  std::string from = context->dottedName() ? context->dottedName()->getText() : std::string();
  if (!context->importedList()) {
    statement.imports.emplace_back().star = true;
    module.push_back(std::move(statement));
    return;
  }
  for (Grammar::ImportedAsContext *imported : context->importedList()->importedAs()) {
    std::vector<TerminalNode *> names = imported->NAME();
    Import import;
    import.name = spelling(names.back());
    import.nameRange = range(names.back()->getSymbol(), names.back()->getSymbol());
    import.symbol = (from.empty() ? std::string() : from + ".") + spelling(names[0]).str();
    statement.imports.push_back(std::move(import));
  }
  module.push_back(std::move(statement));
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

std::vector<Argument> Builder::elements(Grammar::ExpressionListContext *context) {
  std::vector<Argument> result;
  for (Grammar::ElementContext *element : context->element()) {
    Argument argument;
    bool star = element->getStart() != element->expression()->getStart();
    argument.kind = star ? Argument::Star : Argument::Plain;
    argument.nameRange = range(element->getStart(), element->getStart());
    argument.value = expression(element->expression());
    result.push_back(std::move(argument));
  }
  return result;
}

ExprPtr Builder::list(Grammar::ExpressionListContext *context) {
  std::vector<Argument> parts = elements(context);
  // One child is one element; a comma makes a tuple.
  if (context->children.size() == 1 && parts[0].kind == Argument::Plain)
    return std::move(parts[0].value);
  if (context->children.size() == 1)
    fail(parts[0].nameRange.Start, "'*' spreads a list inside brackets or before a comma only");
  auto tuple = std::make_unique<Expr>(ExprKind::Tuple, range(context));
  tuple->arguments = std::move(parts);
  return tuple;
}

template <typename Operand, typename Build> ExprPtr Builder::chain(ParserRuleContext *context, Build build) {
  if (context->children.size() == 1)
    return build(static_cast<Operand *>(context->children[0]));
  auto result = std::make_unique<Expr>(ExprKind::Chain, range(context));
  for (size_t i = 0; i < context->children.size(); ++i)
    if (i % 2)
      result->operators.push_back(op(context->children[i]));
    else
      result->operands.push_back(build(static_cast<Operand *>(context->children[i])));
  return result;
}

ExprPtr Builder::expression(Grammar::ExpressionContext *context) {
  std::vector<Grammar::OrTestContext *> parts = context->orTest();
  if (parts.size() == 1)
    return logical(parts[0]);
  auto result = std::make_unique<Expr>(ExprKind::Conditional, range(context));
  for (Grammar::OrTestContext *part : parts)
    result->operands.push_back(logical(part));
  return result;
}

ExprPtr Builder::logical(Grammar::OrTestContext *context) {
  std::vector<Grammar::AndTestContext *> parts = context->andTest();
  if (parts.size() == 1)
    return logical(parts[0]);
  auto result = std::make_unique<Expr>(ExprKind::Or, range(context));
  for (Grammar::AndTestContext *part : parts)
    result->operands.push_back(logical(part));
  return result;
}

ExprPtr Builder::logical(Grammar::AndTestContext *context) {
  std::vector<Grammar::NotTestContext *> parts = context->notTest();
  if (parts.size() == 1)
    return logical(parts[0]);
  auto result = std::make_unique<Expr>(ExprKind::And, range(context));
  for (Grammar::NotTestContext *part : parts)
    result->operands.push_back(logical(part));
  return result;
}

ExprPtr Builder::logical(Grammar::NotTestContext *context) {
  ExprPtr operand = comparison(context->comparison());
  if (context->NOT().empty())
    return operand;
  auto result = std::make_unique<Expr>(ExprKind::Prefix, range(context));
  for (TerminalNode *word : context->NOT())
    result->operators.push_back(op(word->getSymbol()));
  result->operands.push_back(std::move(operand));
  return result;
}

ExprPtr Builder::comparison(Grammar::ComparisonContext *context) {
  auto arithmetic = [&](Grammar::BitOrContext *part) {
    return chain<Grammar::BitXorContext>(part, [&](Grammar::BitXorContext *part) {
      return chain<Grammar::BitAndContext>(part, [&](Grammar::BitAndContext *part) {
        return chain<Grammar::ShiftContext>(part, [&](Grammar::ShiftContext *part) {
          return chain<Grammar::SumContext>(part, [&](Grammar::SumContext *part) {
            return chain<Grammar::TermContext>(part, [&](Grammar::TermContext *part) {
              return chain<Grammar::FactorContext>(part, [&](Grammar::FactorContext *part) { return factor(part); });
            });
          });
        });
      });
    });
  };
  std::vector<Grammar::BitOrContext *> parts = context->bitOr();
  if (parts.size() == 1)
    return arithmetic(parts[0]);
  auto result = std::make_unique<Expr>(ExprKind::Compare, range(context));
  for (Grammar::BitOrContext *part : parts)
    result->operands.push_back(arithmetic(part));
  for (Grammar::ComparatorContext *comparator : context->comparator()) {
    Operator op = this->op(comparator->getStart());
    if (comparator->children.size() == 2)
      op.spelling += op.spelling == "not" ? " in" : " not";
    result->operators.push_back(std::move(op));
  }
  return result;
}

ExprPtr Builder::factor(Grammar::FactorContext *context) {
  ExprPtr operand = power(context->power());
  if (context->sign().empty())
    return operand;
  auto result = std::make_unique<Expr>(ExprKind::Prefix, range(context));
  result->operators = signs(context);
  result->operands.push_back(std::move(operand));
  return result;
}

ExprPtr Builder::power(Grammar::PowerContext *context) {
  ExprPtr base = postfix(context->postfix());
  if (context->exponent().empty())
    return base;
  auto result = std::make_unique<Expr>(ExprKind::Power, range(context));
  result->operands.push_back(std::move(base));
  result->exponentSigns.emplace_back();
  for (Grammar::ExponentContext *exponent : context->exponent()) {
    result->operands.push_back(postfix(exponent->postfix()));
    result->exponentSigns.push_back(signs(exponent));
  }
  for (size_t i = 1; i < context->children.size(); i += 2)
    result->operators.push_back(op(context->children[i]));
  return result;
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

ExprPtr Builder::postfix(Grammar::PostfixContext *context) {
  ExprPtr base = atom(context->atom());
  if (context->trailer().empty())
    return base;
  auto result = std::make_unique<Expr>(ExprKind::Postfix, range(context));
  result->operands.push_back(std::move(base));
  for (Grammar::TrailerContext *part : context->trailer())
    result->trailers.push_back(trailer(part));
  return result;
}

Trailer Builder::trailer(Grammar::TrailerContext *context) {
  Trailer result;
  result.range = range(context);
  if (context->NAME()) {
    result.kind = Trailer::Attribute;
    result.name = spelling(context->NAME());
    result.range = range(context->NAME()->getSymbol(), context->NAME()->getSymbol());
    return result;
  }
  Grammar::SubscriptContext *subscript = context->subscript();
  if (!subscript) {
    result.kind = Trailer::Call;
    if (context->arguments())
      for (Grammar::ArgumentContext *part : context->arguments()->argument())
        result.arguments.push_back(argument(part));
    return result;
  }
  result.range = range(subscript);
  if (subscript->expressionList()) {
    result.kind = Trailer::Index;
    result.index = list(subscript->expressionList());
    return result;
  }
  result.kind = Trailer::Slice;
  size_t at = 0;
  for (ParseTree *child : subscript->children)
    if (auto *part = dynamic_cast<Grammar::ExpressionContext *>(child))
      result.slice[at] = expression(part);
    else
      ++at;
  return result;
}

Argument Builder::argument(Grammar::ArgumentContext *context) {
  Argument result;
  Token *start = context->getStart();
  result.nameRange = range(start, start);
  if (context->NAME()) {
    result.kind = Argument::Keyword;
    result.name = stream.spelling(start);
  } else if (start != context->expression()->getStart()) {
    result.kind = stream.spelling(start) == "*" ? Argument::Star : Argument::DoubleStar;
  }
  result.value = expression(context->expression());
  return result;
}

ExprPtr Builder::atom(Grammar::AtomContext *context) {
  Token *token = context->getStart();
  auto make = [&](ExprKind kind) { return std::make_unique<Expr>(kind, range(context)); };
  switch (token->getType()) {
  case ColoConfigLexer::NAME: {
    ExprPtr name = make(ExprKind::Name);
    name->text = stream.spelling(token);
    return name;
  }
  case ColoConfigLexer::INTEGER:
    return integer(token);
  case ColoConfigLexer::FLOAT:
    return real(token);
  case ColoConfigLexer::STRING: {
    SmallVector<StringRef> literals;
    for (TerminalNode *literal : context->STRING())
      literals.push_back(spelling(literal));
    ExprPtr string = decodeStrings(literals, diagnostics);
    if (!string)
      throw Reported();
    return string;
  }
  case ColoConfigLexer::NONE:
    return make(ExprKind::None);
  case ColoConfigLexer::TRUE:
  case ColoConfigLexer::FALSE: {
    ExprPtr boolean = make(ExprKind::Bool);
    boolean->boolean = token->getType() == ColoConfigLexer::TRUE;
    return boolean;
  }
  case ColoConfigLexer::OPEN_PAREN:
    return context->expressionList() ? list(context->expressionList()) : make(ExprKind::Tuple);
  case ColoConfigLexer::OPEN_BRACKET: {
    ExprPtr result = make(ExprKind::List);
    if (context->expressionList())
      result->arguments = elements(context->expressionList());
    return result;
  }
  default: {
    ExprPtr dict = make(ExprKind::Dict);
    for (Grammar::EntryContext *entry : context->entry()) {
      std::vector<Grammar::ExpressionContext *> parts = entry->expression();
      Argument argument;
      argument.kind = parts.size() == 2 ? Argument::Plain : Argument::DoubleStar;
      argument.nameRange = parts.size() == 2 ? range(parts[0]) : range(entry->getStart(), entry->getStart());
      if (parts.size() == 2)
        argument.key = expression(parts[0]);
      argument.value = expression(parts.back());
      dict->arguments.push_back(std::move(argument));
    }
    return dict;
  }
  }
}

ExprPtr Builder::integer(Token *token) {
  std::string digits = stream.spelling(token).str();
  llvm::erase(digits, '_');
  auto result = std::make_unique<Expr>(ExprKind::Integer, range(token, token));
  // Python writes octal as 0o17, which is what getAsInteger reads by itself.
  uint64_t value;
  if (StringRef(digits).getAsInteger(0, value) || value > uint64_t(INT64_MAX))
    fail(result->range.Start, "this integer does not fit in 64 bits");
  result->integer = int64_t(value);
  return result;
}

ExprPtr Builder::real(Token *token) {
  std::string digits = stream.spelling(token).str();
  llvm::erase(digits, '_');
  auto result = std::make_unique<Expr>(ExprKind::Float, range(token, token));
  result->real = strtod(digits.c_str(), nullptr);
  return result;
}

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

/// Runs `build` on a parser over `text`; nullopt after a diagnostic.
template <typename Result, typename Build>
static std::optional<Result> parse(StringRef text, bool embedded, Diagnostics &diagnostics, Build build) {
  try {
    ByteStream stream(text);
    std::optional<TokenList> tokens = readTokens(stream, embedded, diagnostics);
    if (!tokens)
      return std::nullopt;
    antlr4::ListTokenSource source(std::move(*tokens));
    antlr4::CommonTokenStream tokenStream(&source);
    Grammar parser(&tokenStream);
    SyntaxErrors errors(stream, diagnostics);
    parser.removeErrorListeners();
    parser.addErrorListener(&errors);
    Builder builder(stream, diagnostics);
    return build(parser, builder);
  } catch (const Reported &) {
    return std::nullopt;
  }
}

std::optional<Module> parseModule(StringRef text, Diagnostics &diagnostics) {
  return parse<Module>(text, /*embedded=*/false, diagnostics,
                       [](Grammar &parser, Builder &builder) { return builder.module(parser.file()); });
}

ExprPtr parseEmbedded(StringRef text, Diagnostics &diagnostics) {
  std::optional<ExprPtr> result =
      parse<ExprPtr>(text, /*embedded=*/true, diagnostics, [](Grammar &parser, Builder &builder) {
        return builder.list(parser.embedded()->expressionList());
      });
  return result ? std::move(*result) : nullptr;
}

} // namespace colo::config
