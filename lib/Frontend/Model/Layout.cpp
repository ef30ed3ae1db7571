//===- Layout.cpp - lines and indentation as tokens -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Layout.h"
#include "ColoModelParser.h"
#include "colo/Frontend/Diagnostics.h"

using namespace antlr4;

namespace colo::model {
namespace {

/// State: the indentation of the open blocks (rising), the open brackets, and
/// whether the next token starts a logical line. Inside brackets lines mean
/// nothing, as in Python.
class Layout {
public:
  explicit Layout(TokenSource &lexer) : lexer(lexer) {}
  std::vector<std::unique_ptr<Token>> run();

private:
  void take(std::unique_ptr<Token> token);
  void startLine(const Token &token);
  void countDepth(const Token &token);
  void close(std::unique_ptr<Token> eof);
  void add(size_t type, const Token &at, const char *text);
  [[noreturn]] static void fail(const Token &token, std::string message);

  TokenSource &lexer;
  std::vector<std::unique_ptr<Token>> out;
  std::vector<size_t> indents{0};
  struct Bracket {
    size_t offset;
    char symbol;
  };
  std::vector<Bracket> brackets;
  bool atLineStart = true;
  size_t operators = 0; // in the current logical line
};

void Layout::fail(const Token &token, std::string message) {
  throw SyntaxError{token.getStartIndex(), token.getStopIndex() + 1, std::move(message)};
}

std::vector<std::unique_ptr<Token>> Layout::run() {
  for (;;) {
    std::unique_ptr<Token> token = lexer.nextToken();
    if (out.size() >= SourceLimits::maxTokens)
      fail(*token, "the file has more than " + std::to_string(SourceLimits::maxTokens) + " tokens");
    if (token->getType() == Token::EOF) {
      close(std::move(token));
      return std::move(out);
    }
    take(std::move(token));
  }
}

void Layout::take(std::unique_ptr<Token> token) {
  if (token->getType() == ColoModelParser::NEWLINE) {
    // A blank line, or a line inside brackets, ends nothing.
    if (atLineStart || !brackets.empty())
      return;
    atLineStart = true;
    operators = 0;
    out.push_back(std::move(token));
    return;
  }
  if (atLineStart)
    startLine(*token);
  countDepth(*token);
  out.push_back(std::move(token));
}

void Layout::startLine(const Token &token) {
  atLineStart = false;
  size_t column = token.getCharPositionInLine();
  if (column) {
    std::string margin =
        token.getInputStream()->getText(misc::Interval(token.getStartIndex() - column, token.getStartIndex() - 1));
    if (margin.find('\r') != std::string::npos)
      fail(token, "lines must end with a line feed, or with a carriage return and a line feed, not with a carriage "
                  "return alone");
    if (margin.find_first_not_of(' ') != std::string::npos)
      fail(token, "indentation must be spaces only");
  }
  if (column > indents.back()) {
    if (indents.size() > maxIndents)
      fail(token, "blocks are nested more than " + std::to_string(maxIndents) + " deep");
    indents.push_back(column);
    add(ColoModelParser::INDENT, token, "indentation");
    return;
  }
  while (column < indents.back()) {
    indents.pop_back();
    add(ColoModelParser::DEDENT, token, "end of block");
  }
  if (column != indents.back())
    fail(token, "this line's indentation (" + std::to_string(column) +
                    " spaces) matches no block that is open here (the nearest has " + std::to_string(indents.back()) +
                    ")");
}

void Layout::countDepth(const Token &token) {
  const std::string text = token.getText();
  char first = text.empty() ? '\0' : text[0];
  bool isWord = std::isalnum(static_cast<unsigned char>(first)) || first == '_' || first == '"' || first == '\'';
  bool isOperator = isWord
                        ? text == "not" || text == "if" || text == "and" || text == "or"
                        : text != "=" && first != ',' && first != ')' && first != ']' && first != '}' && first != ':';
  if (isOperator && ++operators > maxOperators)
    fail(token, "an expression may have at most " + std::to_string(maxOperators) + " operators");
  if (text == "(" || text == "[" || text == "{") {
    if (brackets.size() >= SourceLimits::maxNesting)
      fail(token, "brackets are nested more than " + std::to_string(SourceLimits::maxNesting) + " deep");
    brackets.push_back({token.getStartIndex(), first});
    return;
  }
  if (text != ")" && text != "]" && text != "}")
    return;
  if (brackets.empty())
    fail(token, "'" + text + "' closes nothing");
  char open = brackets.back().symbol;
  char expected = open == '(' ? ')' : open == '[' ? ']' : '}';
  if (first != expected)
    throw SyntaxError{token.getStartIndex(), token.getStopIndex() + 1,
                      "expected '" + std::string(1, expected) + "' but found '" + text + "'", brackets.back().offset,
                      "to close this '" + std::string(1, open) + "'"};
  brackets.pop_back();
}

void Layout::close(std::unique_ptr<Token> eof) {
  if (!brackets.empty())
    throw SyntaxError{brackets.back().offset, brackets.back().offset + 1,
                      "'" + std::string(1, brackets.back().symbol) + "' is never closed"};
  if (!atLineStart)
    add(ColoModelParser::NEWLINE, *eof, "end of line");
  for (; indents.size() > 1; indents.pop_back())
    add(ColoModelParser::DEDENT, *eof, "end of block");
  out.push_back(std::move(eof));
}

void Layout::add(size_t type, const Token &at, const char *text) {
  auto token = std::make_unique<CommonToken>(type, text);
  token->setStartIndex(at.getStartIndex());
  token->setStopIndex(at.getStartIndex());
  token->setLine(at.getLine());
  token->setCharPositionInLine(at.getCharPositionInLine());
  out.push_back(std::move(token));
}

} // namespace

std::vector<std::unique_ptr<Token>> layOutTokens(TokenSource &lexer) { return Layout(lexer).run(); }

} // namespace colo::model
