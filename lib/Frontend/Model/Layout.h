//===- Layout.h - lines and indentation as tokens --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between the generated lexer and the generated parser. Reads all tokens of a
// file, keeps the NEWLINEs that end a logical line, adds INDENT and DEDENT, and
// refuses what the recursive parser must never see: deep brackets, deep blocks,
// very long expressions, too many tokens.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_LAYOUT_H
#define COLO_LIB_FRONTEND_MODEL_LAYOUT_H

#include "antlr4-runtime.h"
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace colo::model {

/// Limits beside those of SourceLimits: blocks as in CPython, and operators in
/// one logical line, each of which may cost the parser a frame.
constexpr size_t maxIndents = 100;
constexpr size_t maxOperators = 500;

/// Thrown by everything between the lexer and the syntax tree, caught by
/// parseFile; never leaves the library. Offsets are bytes from the file's start.
struct SyntaxError {
  size_t begin, end;
  std::string message;
  /// A second place, shown as a note if `note` is not empty.
  size_t noteAt = 0;
  std::string note{};
};

/// Throws SyntaxError.
std::vector<std::unique_ptr<antlr4::Token>> layOutTokens(antlr4::TokenSource &lexer);

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_LAYOUT_H
