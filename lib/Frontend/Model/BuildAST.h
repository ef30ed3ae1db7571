//===- BuildAST.h - from ANTLR's parse tree to ours ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_MODEL_BUILDAST_H
#define COLO_LIB_FRONTEND_MODEL_BUILDAST_H

#include "AST.h"
#include "ColoModelParser.h"

namespace colo::model {

/// Turns the parse tree of `text` into an AST. Refuses what the grammar lets
/// through but Python does not (a positional argument after a keyword, a target
/// that is not a name); throws SyntaxError.
std::unique_ptr<File> buildAST(ColoModelParser::FileContext *tree, llvm::StringRef text);

} // namespace colo::model

#endif // COLO_LIB_FRONTEND_MODEL_BUILDAST_H
