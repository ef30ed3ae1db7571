//===- CompileResults.cpp - what a compile makes of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompareModes.h"
#include "Compilation.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Plan/Plan.h"
#include "colo/Target/CPU.h"
#include "colo/Target/CUDA.h"
#include "colo/Tools/Pipelines.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/WithColor.h"

using namespace colo;
using namespace mlir;

/// Dumps and prints a textual phase as asked for.
int Compilation::finishPhase(Phase phase, Printer print) {
  if (!request.dumpDirectory.empty()) {
    if (std::error_code error = llvm::sys::fs::create_directories(request.dumpDirectory))
      return fileError("cannot create '" + request.dumpDirectory + "': " + error.message());
    if (int code = writeFile(dumpPath(phase), print))
      return code;
  }
  if (!wants(phase) || prints(request.plan) || request.check)
    return ExitDone;
  done = true;
  return writeText(print);
}

/// How the pipeline's schedule runs, in comments behind the program.
void Compilation::printScheduleComment(llvm::raw_ostream &os) {
  std::string text;
  llvm::raw_string_ostream drawing(text);
  pipe::printTimeline(*module, drawing);
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(text).split(lines, '\n', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  if (!lines.empty())
    os << "// Predicted by flops; a mean forward takes 1, its backward 2.\n";
  for (llvm::StringRef line : lines)
    os << "// " << line << '\n';
}

int Compilation::writeScheduleSvg() {
  if (!pipe::findSchedule(*module))
    return usageError("--schedule-svg draws a pipeline's schedule, and this program has one stage");
  return writeFile(request.scheduleSvg, [&](llvm::raw_ostream &os) { pipe::printTimelineSvg(*module, os); });
}

/// The model has been imported and differentiated once, so what is wrong with it has been said.
int Compilation::compareModes() {
  auto keepFirst = [](const llvm::SMDiagnostic &diagnostic, void *reason) {
    auto &text = *static_cast<std::string *>(reason);
    if (text.empty() && diagnostic.getKind() == llvm::SourceMgr::DK_Error)
      text = diagnostic.getMessage().str();
  };
  auto import = [&](int64_t microBatch, std::string &reason) {
    options.batch = microBatch;
    sources.setDiagHandler(keepFirst, &reason);
    OwningOpRef<ModuleOp> imported = importModel(context, sources, modelBuffer, options);
    sources.setDiagHandler(nullptr);
    return imported;
  };
  ModeComparison comparison(context, config, request.algorithm, import);
  int code = writeText([&](llvm::raw_ostream &os) {
    if (request.compareModes == CompileRequest::PlanFormat::JSON)
      comparison.printJSON(os);
    else
      comparison.printText(os);
  });
  if (code || !comparison.isInternalError())
    return code;
  llvm::WithColor::error(llvm::errs(), "colo-compile")
      << "a mode ended in an internal error; this is a fault of colo\n";
  return ExitInternal;
}

int Compilation::printPlan() {
  int64_t ranks = config.pipeline * config.tensorSize * config.sequenceSize;
  Plan plan = computePlan(*module, config.worldSize / ranks);
  if (request.target == Target::Cuda)
    plan.staging = plan.inputs;
  return writeText([&](llvm::raw_ostream &os) {
    if (request.plan == CompileRequest::PlanFormat::JSON)
      printPlanJSON(plan, os);
    else
      printPlanText(plan, os);
  });
}

int Compilation::translateKernels(std::string &ptx) {
  std::string message;
  if (failed(emitPtx(*module, request.optLevel, ptx, message)))
    return usageError(message);
  return finishPhase(Phase::PTX, [&](llvm::raw_ostream &os) { os << ptx; });
}

int Compilation::embedKernels() {
  std::string ptx, image, remark, message;
  if (int code = translateKernels(ptx))
    return code;
  if (failed(emitImage(ptx, request.optLevel, image, remark, message)))
    return usageError(message);
  if (request.verbose)
    llvm::WithColor::remark(llvm::errs(), "colo-compile") << remark << '\n';
  embedImage(*module, image);
  return ExitDone;
}

int Compilation::emitExecutable() {
  TargetOptions options;
  options.cpu = request.cpu;
  options.optLevel = request.optLevel;
  std::string executable = executablePath();
  llvm::SmallString<128> object(executable);
  bool isTemporary = !wants(Phase::Object) && !request.saveTemps;
  if (!wants(Phase::Object))
    object += ".o";
  // A name of its own, so that nothing of the user's is touched.
  if (isTemporary)
    if (std::error_code error = llvm::sys::fs::createTemporaryFile("colo", "o", object))
      return fileError("cannot create a temporary file: " + error.message());
  llvm::FileRemover remover(object, isTemporary);
  std::string message;
  if (request.target == Target::Cuda)
    if (int code = embedKernels())
      return code;
  if (failed(emitObject(*module, options, object, message)))
    return usageError(message);
  if (wants(Phase::Object))
    return ExitDone;
  llvm::SmallString<128> archive(llvm::sys::path::parent_path(llvm::sys::path::parent_path(request.toolPath)));
  llvm::sys::path::append(archive, "lib", "libColoRuntime.a");
  LogicalResult linked = linkExecutable(object, archive, executable, message);
  return failed(linked) ? usageError(message) : ExitDone;
}
