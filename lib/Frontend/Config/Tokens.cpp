//===- Tokens.cpp - from characters to what the parser may see ------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Tokens.h.
//
//===----------------------------------------------------------------------===//

#include "Tokens.h"
#include "ColoConfigLexer.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace llvm;
using antlr4::Token;

namespace colo::config {
namespace {

using Lexer = grammar::ColoConfigLexer;

/// What is not there, by the word of Python that would begin it.
StringRef describeWord(StringRef word) {
  return StringSwitch<StringRef>(word)
      .Cases("if", "elif", "else", "for", "while", "break", "continue", "control flow is not supported")
      .Cases("try", "except", "finally", "with", "control flow is not supported")
      .Cases("def", "return", "yield", "lambda", "async", "await", "functions are not supported")
      .Case("class", "classes are not supported")
      .Default("this statement is not supported");
}

class TokenReader {
public:
  TokenReader(ByteStream &stream, bool embedded, Diagnostics &diagnostics)
      : stream(stream), embedded(embedded), diagnostics(diagnostics), lexer(&stream) {}

  std::optional<TokenList> read();

private:
  bool accept(std::unique_ptr<Token> token);
  bool open(const Token *token);
  bool close(const Token *token);
  bool word(const Token *token);
  bool badCharacter(const Token *token);
  bool startOfLine(const Token *token);
  bool error(const Token *token, const Twine &message, ArrayRef<DiagnosticNote> notes = {}) {
    diagnostics.error(stream.start(token), message, notes);
    return false;
  }

  ByteStream &stream;
  bool embedded;
  Diagnostics &diagnostics;
  Lexer lexer;
  TokenList tokens;
  std::vector<const Token *> brackets;
  bool atLineStart = true, atStatementStart = true;
};

} // namespace

std::optional<TokenList> TokenReader::read() {
  lexer.removeErrorListeners();
  while (true) {
    std::unique_ptr<Token> token = lexer.nextToken();
    bool last = token->getType() == Token::EOF;
    if (tokens.size() >= SourceLimits::maxTokens) {
      error(token.get(), "the file has more than " + Twine(SourceLimits::maxTokens) + " words and signs");
      return std::nullopt;
    }
    if (!accept(std::move(token)))
      return std::nullopt;
    if (last)
      return std::move(tokens);
  }
}

bool TokenReader::accept(std::unique_ptr<Token> token) {
  size_t type = token->getType();
  if (type == Token::EOF) {
    if (!brackets.empty())
      return error(brackets.back(), "'" + stream.spelling(brackets.back()) + "' is never closed");
    // The grammar wants every line to end.
    if (!embedded && !atLineStart) {
      auto newline = std::make_unique<antlr4::CommonToken>(token.get());
      newline->setType(Lexer::NEWLINE);
      tokens.push_back(std::move(newline));
    }
    tokens.push_back(std::move(token));
    return true;
  }
  if (type == Lexer::NEWLINE) {
    if (embedded || !brackets.empty() || atLineStart)
      return true;
    atLineStart = atStatementStart = true;
    tokens.push_back(std::move(token));
    return true;
  }
  if (!embedded && atLineStart && !startOfLine(token.get()))
    return false;
  bool ok = true;
  switch (type) {
  case Lexer::OPEN_PAREN:
  case Lexer::OPEN_BRACKET:
  case Lexer::OPEN_BRACE:
    ok = open(token.get());
    break;
  case Lexer::CLOSE_PAREN:
  case Lexer::CLOSE_BRACKET:
  case Lexer::CLOSE_BRACE:
    ok = close(token.get());
    break;
  case Lexer::IF:
  case Lexer::ELSE:
  case Lexer::KEYWORD:
    ok = word(token.get());
    break;
  case Lexer::BAD_NUMBER:
    ok = error(token.get(), "'" + stream.spelling(token.get()) + "' is not a number");
    break;
  case Lexer::OTHER:
    ok = badCharacter(token.get());
    break;
  }
  atLineStart = false;
  atStatementStart = type == Lexer::SEMICOLON && brackets.empty();
  tokens.push_back(std::move(token));
  return ok;
}

bool TokenReader::startOfLine(const Token *token) {
  const char *start = stream.start(token).getPointer();
  bool indented = token->getCharPositionInLine() > 0 && (start[-1] == ' ' || start[-1] == '\t');
  return !indented || error(token, "this line is indented; statements of a config start in the first column");
}

bool TokenReader::open(const Token *token) {
  brackets.push_back(token);
  if (brackets.size() <= SourceLimits::maxNesting)
    return true;
  return error(token, "brackets are nested more than " + Twine(SourceLimits::maxNesting) + " deep");
}

bool TokenReader::close(const Token *token) {
  StringRef spelling = stream.spelling(token);
  if (brackets.empty())
    return error(token, "'" + spelling + "' closes nothing");
  StringRef opener = stream.spelling(brackets.back());
  StringRef expected = StringSwitch<StringRef>(opener).Case("(", ")").Case("[", "]").Default("}");
  if (spelling != expected)
    return error(token, "'" + spelling + "' does not close '" + opener + "'; '" + expected + "' does",
                 DiagnosticNote{stream.start(brackets.back()), ("'" + opener + "' was opened here").str()});
  brackets.pop_back();
  return true;
}

bool TokenReader::word(const Token *token) {
  bool isConditional = token->getType() != Lexer::KEYWORD;
  if (isConditional && !atStatementStart)
    return true;
  StringRef spelling = stream.spelling(token);
  if (spelling == "for" && !atStatementStart)
    return error(token, "'for': a config is evaluated, not executed; comprehensions are not supported");
  return error(token, "'" + spelling + "': a config is evaluated, not executed; " + describeWord(spelling));
}

bool TokenReader::badCharacter(const Token *token) {
  StringRef spelling = stream.spelling(token);
  if (spelling != "'" && spelling != "\"") {
    if (isPrint(spelling[0]))
      return error(token, "'" + spelling + "' has no meaning here");
    return error(token, "byte 0x" + toHex(spelling, /*LowerCase=*/true) + " has no meaning here");
  }
  // An open triple quote reads as an empty string and a quote.
  if (!tokens.empty() && tokens.back()->getType() == Lexer::STRING &&
      tokens.back()->getStopIndex() + 1 == token->getStartIndex() &&
      stream.spelling(tokens.back().get()).ends_with((spelling + spelling).str()))
    return error(tokens.back().get(), "this string is never closed");
  return error(token, "this string is not closed before the end of the line");
}

std::optional<TokenList> readTokens(ByteStream &stream, bool embedded, Diagnostics &diagnostics) {
  return TokenReader(stream, embedded, diagnostics).read();
}

} // namespace colo::config
