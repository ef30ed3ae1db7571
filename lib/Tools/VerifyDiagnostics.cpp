//===- VerifyDiagnostics.cpp - whether a compile says what its sources expect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"

using namespace colo;
using namespace mlir;

/// The frontends speak through the SourceMgr; the verifier listens to MLIR.
void Compilation::forwardToVerifier(const llvm::SMDiagnostic &diagnostic, void *self) {
  auto *compilation = static_cast<Compilation *>(self);
  if (compilation->reporting)
    return printDiagnostic(diagnostic, llvm::errs());
  // Notes inside the standard layers cannot be expected in the user's files.
  if (compilation->sources.FindBufferContainingLoc(diagnostic.getLoc()) > compilation->verifiedBuffers)
    return;
  DiagnosticSeverity severity = diagnostic.getKind() == llvm::SourceMgr::DK_Error     ? DiagnosticSeverity::Error
                                : diagnostic.getKind() == llvm::SourceMgr::DK_Warning ? DiagnosticSeverity::Warning
                                : diagnostic.getKind() == llvm::SourceMgr::DK_Remark  ? DiagnosticSeverity::Remark
                                                                                      : DiagnosticSeverity::Note;
  auto location = FileLineColLoc::get(&compilation->context, diagnostic.getFilename(), diagnostic.getLineNo(),
                                      diagnostic.getColumnNo() + 1);
  if (severity == DiagnosticSeverity::Note) {
    if (compilation->forwarded)
      compilation->forwarded->attachNote(location) << diagnostic.getMessage();
    return;
  }
  compilation->finishForwarded();
  compilation->forwarded.emplace(location, severity);
  *compilation->forwarded << diagnostic.getMessage();
}

void Compilation::finishForwarded() {
  if (!forwarded)
    return;
  reporting = true;
  context.getDiagEngine().emit(std::move(*forwarded));
  reporting = false;
  forwarded.reset();
}

/// Whether what was said is what the sources' comments expect, nothing missing and nothing more.
int Compilation::verifyDiagnostics() {
  finishForwarded();
  reporting = true;
  return failed(verifier->verify()) ? ExitInput : ExitDone;
}
