//===- Compile.cpp - from a model and a config to an executable -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the phases in order. Errors of the user's (exit 1) can come up to the
// phase `spmd`; a failure after that is ours (exit 70) and leaves a reproducer.
//
//===----------------------------------------------------------------------===//

#include "colo/Tools/Compile.h"
#include "Compilation.h"
#include "colo/Dialect/Dist/Policy.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Tools/Pipelines.h"
#include "colo/Tools/Registry.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/WithColor.h"
#include <chrono>
#include <functional>

using namespace colo;
using namespace mlir;

static int say(const llvm::Twine &message, ExitCode code) {
  llvm::WithColor::error(llvm::errs(), "colo-compile") << message << '\n';
  return code;
}

int colo::usageError(const llvm::Twine &message) { return say(message, ExitUsage); }

int colo::fileError(const llvm::Twine &message) { return say(message, ExitInput); }

Compilation::Compilation(const CompileRequest &request) : request(request), diagnostics(sources) {
  DialectRegistry registry;
  registerAllDialects(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false);
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &diagnostic, void *) { printDiagnostic(diagnostic, llvm::errs()); });
}

int Compilation::internalError(Phase phase, const std::string &before) {
  llvm::SmallString<128> path;
  int descriptor = -1;
  if (!llvm::sys::fs::createTemporaryFile("colo-reproducer", "mlir", descriptor, path)) {
    llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file << before;
  }
  llvm::WithColor::error(llvm::errs(), "colo-compile")
      << "internal error in phase '" << nameOf(phase) << "'; this is a fault of colo, please report it with " << path
      << '\n';
  return ExitInternal;
}

FileLineColLoc Compilation::locate(llvm::SMLoc loc) {
  unsigned buffer = sources.FindBufferContainingLoc(loc);
  auto [line, column] = sources.getLineAndColumn(loc, buffer);
  return FileLineColLoc::get(&context, sources.getMemoryBuffer(buffer)->getBufferIdentifier(), line, column);
}

static llvm::SMLoc lastValid(std::initializer_list<llvm::SMLoc> locs) {
  llvm::SMLoc result;
  for (llvm::SMLoc loc : locs)
    if (loc.isValid())
      result = loc;
  return result;
}

/// Tells the staging which place in the config divides the layers.
void Compilation::locateStages() {
  llvm::SMLoc loc = lastValid({config.pipeline.loc, config.pipelineChunks.loc, config.pipelinePartition.loc});
  if (loc.isValid())
    (*module)->setAttr(pipe::kConfigLocAttr, locate(loc));
}

/// While a program is divided among a group of ranks, an error is that the group does not fit the model: it stands
/// where the config asks for the group, and in a note what in the model does not fit.
LogicalResult Compilation::blameGroup(Diagnostic &diagnostic) {
  dist::ShardingOptions group = shardingOptions(config);
  auto axes = dyn_cast<FusedLocWith<ArrayAttr>>(diagnostic.getLocation());
  bool isSequence = axes && llvm::any_of(axes.getMetadata().getAsRange<StringAttr>(),
                                         [&](StringAttr axis) { return dist::isSequenceAxis(axis.getValue(), group); });
  llvm::SMLoc mode = config.tensorMode.loc, tensor = config.tensorSize.loc, sequence = config.sequenceSize.loc;
  llvm::SMLoc loc = isSequence ? lastValid({mode, tensor, sequence}) : lastValid({mode, sequence, tensor});
  if (diagnostic.getSeverity() != DiagnosticSeverity::Error || !loc.isValid())
    return failure();
  // What stands there already has been said by this function.
  for (llvm::SMLoc place : {mode, tensor, sequence})
    if (place.isValid() && diagnostic.getLocation() == locate(place))
      return failure();
  InFlightDiagnostic error = emitError(locate(loc));
  error << "mode '" << dist::describe(group) << "' on " << group.size * group.sequenceSize
        << " ranks does not fit the model: " << diagnostic.str();
  error.attachNote(diagnostic.getLocation()) << "this is what it does not fit";
  for (Diagnostic &note : diagnostic.getNotes())
    error.attachNote(note.getLocation()) << note.str();
  return success();
}

using Clock = std::chrono::steady_clock;

/// A line of -v.
static void printPhase(Phase phase, Clock::time_point start, llvm::StringRef passes = "") {
  std::chrono::duration<double> seconds = Clock::now() - start;
  std::string line = llvm::formatv("{0,-8} {1:f3} s {2}", nameOf(phase), seconds.count(), passes);
  llvm::errs() << llvm::StringRef(line).rtrim() << "\n";
}

int Compilation::runPhase(Phase phase) {
  std::string before;
  bool ours = phase > Phase::SPMD;
  if (ours) {
    llvm::raw_string_ostream os(before);
    module->print(os);
  }
  if (phase == Phase::Staged)
    locateStages();
  std::optional<ScopedDiagnosticHandler> handler;
  if (phase == Phase::Sharded)
    handler.emplace(&context, [this](Diagnostic &diagnostic) { return blameGroup(diagnostic); });
  PassManager pm(&context);
  pm.enableVerifier(true);
  buildPhasePipeline(pm, phase, config, request.algorithm, request.target, request.epilogues, request.verbose);
  auto start = Clock::now();
  if (failed(pm.run(*module)))
    return ours ? internalError(phase, before) : ExitInput;
  if (request.verbose)
    printPhase(phase, start, llvm::join(llvm::map_range(pm.getPasses(), std::mem_fn(&Pass::getArgument)), " "));
  OpPrintingFlags flags;
  if (phase < Phase::Linalg)
    flags.enableDebugInfo(false);
  if (phase == Phase::Staged && !request.scheduleSvg.empty())
    if (int code = writeScheduleSvg())
      return code;
  return finishPhase(phase, [&](llvm::raw_ostream &os) {
    module->print(os, flags);
    if (phase == Phase::Staged)
      printScheduleComment(os);
  });
}

int Compilation::run() {
  int code = runPhases();
  return verifier ? verifyDiagnostics() : code;
}

int Compilation::runPhases() {
  if (int code = checkOutputs())
    return code;
  if (int code = loadInputs())
    return code;
  if (request.printConfig)
    return writeText([&](llvm::raw_ostream &os) { printConfig(config, sources, os); });
  if (request.modelFile.empty())
    return ExitDone;
  if (wants(Phase::AST) || !request.dumpDirectory.empty()) {
    std::string text;
    llvm::raw_string_ostream os(text);
    if (!printModelAst(sources, modelBuffer, os))
      return ExitInput;
    if (int code = finishPhase(Phase::AST, [&](llvm::raw_ostream &out) { out << text; }); code || done)
      return code;
  }
  std::optional<SourceMgrDiagnosticHandler> handler;
  if (!verifier)
    handler.emplace(sources, &context, llvm::errs());
  if (int code = importModule())
    return code;
  if (int code = finishPhase(Phase::Colo, [&](llvm::raw_ostream &os) { module->print(os); }); code || done)
    return code;
  // What --check checks are all errors that a user can make.
  bool plan = prints(request.plan), compares = prints(request.compareModes);
  Phase last = compares                    ? Phase::Autodiff
               : plan || wants(Phase::PTX) ? Phase::Rt
               : request.check             ? Phase::SPMD
                                           : Phase::LLVM;
  for (int i = static_cast<int>(Phase::Staged); i <= static_cast<int>(last); ++i)
    if (int code = runPhase(static_cast<Phase>(i)); code || done)
      return code;
  if (compares)
    return compareModes();
  if (plan)
    return printPlan();
  if (request.check)
    return ExitDone;
  if (std::string ptx; wants(Phase::PTX))
    return translateKernels(ptx);
  auto start = Clock::now();
  int code = emitExecutable();
  if (request.verbose)
    printPhase(request.emit, start);
  return code;
}

int colo::compile(const CompileRequest &request) {
  Compilation compilation(request);
  return compilation.run();
}
