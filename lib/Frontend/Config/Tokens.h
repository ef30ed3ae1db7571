//===- Tokens.h - from characters to what the parser may see ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs ANTLR's lexer, which does not recurse, and checks all that bounds the
// recursive parser or deserves a better message than a syntax error: brackets
// (matched, at most SourceLimits::maxNesting deep), indentation, statements and
// words that are not evaluated, bad numbers, open strings. Line breaks inside
// brackets are dropped. Included only where exceptions are on.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_TOKENS_H
#define COLO_LIB_FRONTEND_CONFIG_TOKENS_H

#include "colo/Frontend/ByteStream.h"
#include "colo/Frontend/Diagnostics.h"
#include <memory>
#include <vector>

namespace colo::config {

using TokenList = std::vector<std::unique_ptr<antlr4::Token>>;

/// Returns the tokens with the end-of-file token last, or nullopt after one
/// diagnostic. `embedded` is the inside of an f-string's braces: it has no
/// lines.
std::optional<TokenList> readTokens(ByteStream &stream, bool embedded, Diagnostics &diagnostics);

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_TOKENS_H
