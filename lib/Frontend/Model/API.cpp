//===- API.cpp - the model frontend's interface -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "PreludeText.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace colo {

bool printModelAst(SourceMgr &sources, unsigned bufferId, raw_ostream &os) {
  std::unique_ptr<model::File> file = model::parseFile(sources, bufferId);
  if (file)
    model::printFile(*file, os);
  return file != nullptr;
}

/// Erases what nothing reads: the language computes eagerly.
static void eraseDeadOps(mlir::ModuleOp program) {
  for (auto function : program.getOps<mlir::func::FuncOp>())
    for (mlir::Operation &op : make_early_inc_range(reverse(function.getBody().front())))
      if (mlir::isOpTriviallyDead(&op))
        op.erase();
}

/// The standard layers are one buffer, however often models are imported: a place in them belongs to the first.
static unsigned addPrelude(SourceMgr &sources) {
  StringRef text(model::preludeText, sizeof(model::preludeText) - 1);
  if (unsigned known = sources.FindBufferContainingLoc(SMLoc::getFromPointer(text.begin())))
    return known;
  return sources.AddNewSourceBuffer(MemoryBuffer::getMemBuffer(text, "Prelude.colo"), SMLoc());
}

mlir::OwningOpRef<mlir::ModuleOp> importModel(mlir::MLIRContext &context, SourceMgr &sources, unsigned bufferId,
                                              const ModelOptions &options) {
  context.loadDialect<ColoDialect, mlir::func::FuncDialect>();
  std::unique_ptr<model::File> file = model::parseFile(sources, bufferId);
  if (!file)
    return nullptr;
  unsigned preludeId = addPrelude(sources);
  std::unique_ptr<model::File> prelude = model::parseFile(sources, preludeId);
  if (!prelude)
    return nullptr;
  mlir::OwningOpRef<mlir::ModuleOp> program;
  try {
    program = model::Importer(context, sources, options).run(*prelude, preludeId, *file, bufferId);
  } catch (const model::ImportAborted &) {
    return nullptr;
  }
  eraseDeadOps(*program);
  if (failed(mlir::verify(*program)))
    return nullptr;
  return program;
}

} // namespace colo
