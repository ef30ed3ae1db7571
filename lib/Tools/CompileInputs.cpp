//===- CompileInputs.cpp - what a compile reads -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "colo/Tools/Pipelines.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace colo;
using namespace mlir;

int Compilation::load(llvm::StringRef path, unsigned &bufferId) {
  auto file = readSource(path);
  if (std::error_code error = file.getError())
    return fileError("cannot read '" + path + "': " + error.message());
  bufferId = sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
  return ExitDone;
}

/// What is wrong with a schedule is shown in its file: at the actions, and where the config names the file.
void Compilation::showInSchedule(const schedule::Diagnostic &wrong, const schedule::ScheduleText &text,
                                 unsigned buffer) {
  auto locate = [&](schedule::TextPlace place) {
    return sources.FindLocForLineAndColumn(buffer, place.line, place.column);
  };
  llvm::SmallVector<DiagnosticNote> notes;
  for (const schedule::ActionReference &action : llvm::drop_begin(wrong.actions, wrong.actions.empty() ? 0 : 1))
    notes.push_back({locate(text.placeOf(action)), "this is " + action.text()});
  notes.push_back({config.pipelineSchedule.loc, "the schedule is named here"});
  diagnostics.error(locate(text.placeOf(wrong)), wrong.message, notes);
}

/// The schedule file that the config names, in the config's folder.
int Compilation::loadSchedule() {
  llvm::SmallString<128> path;
  if (!llvm::sys::path::is_absolute(config.pipelineSchedule.value))
    path = llvm::sys::path::parent_path(request.configFile);
  llvm::sys::path::append(path, config.pipelineSchedule.value);
  if (int code = checkInput(path))
    return code;
  auto file = readSource(path);
  std::error_code error = file.getError();
  if (!error && (*file)->getBufferSize() > SourceLimits::maxFileBytes)
    error = std::make_error_code(std::errc::file_too_large);
  if (error) {
    diagnostics.error(config.pipelineSchedule.loc, "cannot read '" + path + "': " + error.message());
    return ExitInput;
  }
  config.pipelineActions = (*file)->getBuffer().str();
  unsigned buffer = sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
  schedule::ScheduleProblem problem;
  problem.stages = config.pipeline;
  problem.chunks = config.pipelineChunks;
  problem.microBatches = config.numMicroBatches;
  schedule::Diagnostic mistake;
  schedule::ScheduleText text;
  std::optional<schedule::Schedule> actions = schedule::readSchedule(config.pipelineActions, mistake, &text);
  std::optional<schedule::Diagnostic> wrong = actions ? problem.verify(*actions) : std::nullopt;
  if (!actions)
    diagnostics.error(sources.FindLocForLineAndColumn(buffer, mistake.line, std::max(1u, mistake.column)),
                      mistake.message);
  else if (wrong)
    showInSchedule(*wrong, text, buffer);
  return actions && !wrong ? ExitDone : ExitInput;
}

int Compilation::loadInputs() {
  unsigned configBuffer = 0;
  if (!request.modelFile.empty())
    if (int code = load(request.modelFile, modelBuffer))
      return code;
  if (!request.configFile.empty())
    if (int code = load(request.configFile, configBuffer))
      return code;
  if (request.verifyDiagnostics) {
    verifier = std::make_unique<SourceMgrDiagnosticVerifierHandler>(sources, &context, llvm::errs());
    sources.setDiagHandler(forwardToVerifier, this);
    verifiedBuffers = sources.getNumBuffers();
  }
  if (request.configFile.empty()) {
    config.worldSize.value = request.worldSize;
    return ExitDone;
  }
  // A comparison shares ranks and rows out anew, in the config's pipeline.
  bool compares = prints(request.compareModes);
  std::optional<ParallelConfig> loaded = loadConfig(sources, configBuffer, compares ? 0 : request.worldSize);
  if (!loaded)
    return ExitInput;
  config = *loaded;
  config.worldSize.value = request.worldSize;
  if (compares && config.worldSize % config.pipeline) {
    diagnostics.error(config.pipeline.loc, "a world of " + llvm::Twine(config.worldSize.value) +
                                               " ranks is not a multiple of pipeline (" +
                                               llvm::Twine(config.pipeline.value) + ")");
    return ExitInput;
  }
  if (std::string error = describeBatchError(config); !error.empty() && !compares) {
    diagnostics.error(config.batchSize.isDefault() ? config.tensorMode.loc : config.batchSize.loc, error);
    return ExitInput;
  }
  return config.hasScheduleFile() ? loadSchedule() : ExitDone;
}

/// The type a value on the command line has: int, float, bool or, failing these, str.
static ModelValue parseDefine(llvm::StringRef text) {
  int64_t integer = 0;
  double real = 0;
  if (!text.getAsInteger(10, integer))
    return integer;
  if (!text.getAsDouble(real))
    return real;
  if (text == "True" || text == "False")
    return text == "True";
  return text.str();
}

/// A -D flag, in a buffer of its own that errors can point at.
ModelDefine Compilation::addDefine(llvm::StringRef name, llvm::StringRef value) {
  constexpr llvm::StringLiteral flag = "-D ";
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy((flag + name + "=" + value).str(), "command line");
  const char *at = buffer->getBufferStart() + flag.size();
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  return {{parseDefine(value), llvm::SMLoc::getFromPointer(at + name.size() + 1)}, llvm::SMLoc::getFromPointer(at)};
}

int Compilation::readDefines() {
  options.modelName = request.modelName;
  options.defines = config.model;
  for (const auto &[name, value] : request.defines) {
    if (name != "dtype") {
      options.defines[name] = addDefine(name, value);
      continue;
    }
    if (value != "f32" && value != "f64") {
      diagnostics.error(addDefine(name, value).loc,
                        "dtype is '" + value +
                            "'; it must be 'f32' or 'f64' (16 bits are asked for in the configuration, by bf16 = True "
                            "or fp16 = dict(mode=AMP_TYPE.NAIVE))");
      return ExitInput;
    }
    options.f64 = value == "f64";
    if (options.f64 && config.precision.value != "f32") {
      diagnostics.error(config.precision.loc, "mixed precision has parameters of f32, but -D dtype=f64 is given");
      return ExitInput;
    }
  }
  return ExitDone;
}

int Compilation::importModule() {
  if (int code = readDefines())
    return code;
  options.batch = config.microBatch();
  options.batchLoc = config.batchSize.loc;
  options.decayExempt = config.optimizer.decayExempt;
  module = importModel(context, sources, modelBuffer, options);
  if (!module)
    return ExitInput;
  trainingSettings(config).attachTo(*module);
  return ExitDone;
}
