//===- Parse.cpp - from text to a syntax tree -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Drives lexer, layout, parser and tree builder. The first error stops it: a
// second syntax error in one file is usually a consequence of the first.
//
//===----------------------------------------------------------------------===//

#include "AST.h"
#include "BuildAST.h"
#include "ColoModelLexer.h"
#include "Layout.h"
#include "colo/Frontend/ByteStream.h"
#include "colo/Frontend/Diagnostics.h"

using namespace llvm;

namespace colo::model {
namespace {

/// How a message names a kind of token.
std::string kindName(const antlr4::Recognizer &recognizer, size_t type) {
  switch (type) {
  case antlr4::Token::EOF:
    return "the end of the file";
  case ColoModelParser::NEWLINE:
    return "the end of the line";
  case ColoModelParser::INDENT:
    return "an indented block";
  case ColoModelParser::DEDENT:
    return "the end of the block";
  case ColoModelParser::NAME:
    return "a name";
  default:
    return recognizer.getVocabulary().getDisplayName(type);
  }
}

std::string unexpected(const antlr4::Recognizer &recognizer, const antlr4::Token &token) {
  switch (token.getType()) {
  case ColoModelParser::RESERVED:
    return "'" + token.getText() + "' is not part of the model language";
  case ColoModelParser::OPEN:
  case ColoModelParser::CLOSE:
    return "'" + token.getText() + "' is not part of the model language; write dict(name=value)";
  case ColoModelParser::UNKNOWN:
    if (token.getText() == "\"" || token.getText() == "'")
      return "this string is never closed";
    if (static_cast<unsigned char>(token.getText()[0]) >= 0x80)
      return "outside strings and comments the language is ASCII";
    return "unexpected character '" + token.getText() + "'";
  case ColoModelParser::INDENT:
    return "unexpected indentation";
  case antlr4::Token::EOF:
  case ColoModelParser::NEWLINE:
  case ColoModelParser::DEDENT:
    return "unexpected " + kindName(recognizer, token.getType()).substr(strlen("the "));
  default:
    return "unexpected '" + token.getText() + "'";
  }
}

/// `match`, a name elsewhere, where it begins the line of `token` and a block: Python's statement.
antlr4::Token *findMatch(antlr4::BufferedTokenStream &tokens, const antlr4::Token &token) {
  auto endsLine = [](const antlr4::Token &at) {
    return is_contained({size_t(ColoModelParser::NEWLINE), size_t(ColoModelParser::INDENT),
                         size_t(ColoModelParser::DEDENT), antlr4::Token::EOF},
                        at.getType());
  };
  tokens.fill();
  size_t begin = token.getTokenIndex(), end = begin;
  while (begin > 0 && !endsLine(*tokens.get(begin - 1)))
    --begin;
  while (!endsLine(*tokens.get(end)))
    ++end;
  bool isStatement = begin < end && tokens.get(begin)->getText() == "match" && tokens.get(end - 1)->getText() == ":";
  return isStatement ? tokens.get(begin) : nullptr;
}

/// Turns ANTLR's report into ours and stops the parser.
class Listener : public antlr4::BaseErrorListener {
public:
  void syntaxError(antlr4::Recognizer *recognizer, antlr4::Token *token, size_t, size_t, const std::string &,
                   std::exception_ptr) override {
    auto &parser = static_cast<antlr4::Parser &>(*recognizer);
    auto &tokens = static_cast<antlr4::BufferedTokenStream &>(*parser.getTokenStream());
    if (const antlr4::Token *match = findMatch(tokens, *token))
      throw SyntaxError{match->getStartIndex(), match->getStopIndex() + 1, "'match' is not part of the model language"};
    SyntaxError error{token->getStartIndex(), token->getStopIndex() + 1, unexpected(*recognizer, *token)};
    if (token->getType() == antlr4::Token::EOF || token->getType() == ColoModelParser::NEWLINE)
      error.end = error.begin;
    std::vector<ssize_t> expected = parser.getExpectedTokens().toList();
    // A long list says nothing that the reader does not know, nor does one beside a character that stands nowhere.
    if (expected.size() <= 3 && token->getType() != ColoModelParser::UNKNOWN)
      for (size_t i = 0; i < expected.size(); ++i)
        error.message += (i ? " or " : "; expected ") + kindName(*recognizer, expected[i]);
    throw error;
  }
};

void report(const SyntaxError &error, StringRef text, Diagnostics &diagnostics) {
  auto at = [&](size_t offset) { return SMLoc::getFromPointer(text.data() + std::min(offset, text.size())); };
  SmallVector<DiagnosticNote, 1> notes;
  if (!error.note.empty())
    notes.push_back({at(error.noteAt), error.note});
  diagnostics.error(at(error.begin), error.message, notes, SMRange(at(error.begin), at(error.end)));
}

} // namespace

std::unique_ptr<File> parseFile(SourceMgr &sources, unsigned bufferId) {
  Diagnostics diagnostics(sources);
  if (!checkSourceBytes(bufferId, diagnostics))
    return nullptr;
  StringRef text = sources.getMemoryBuffer(bufferId)->getBuffer();
  text.consume_front("\xEF\xBB\xBF");
  try {
    ByteStream stream(text);
    ColoModelLexer lexer(&stream);
    lexer.removeErrorListeners();
    antlr4::ListTokenSource source(layOutTokens(lexer));
    antlr4::CommonTokenStream tokens(&source);
    ColoModelParser parser(&tokens);
    Listener listener;
    parser.removeErrorListeners();
    parser.addErrorListener(&listener);
    return buildAST(parser.file(), text);
  } catch (const SyntaxError &error) {
    report(error, text, diagnostics);
  }
  return nullptr;
}

} // namespace colo::model
