//===- Compile.cpp - from a model and a config to an executable -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One Compilation owns the sources, the context and the module, and runs the
// phases in order. Errors of the user's (exit 1) can come up to the phase
// `spmd`; a failure after that is ours (exit 70) and leaves a reproducer.
//
//===----------------------------------------------------------------------===//

#include "colo/Tools/Compile.h"
#include "CompareModes.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Frontend/Config.h"
#include "colo/Frontend/Diagnostics.h"
#include "colo/Frontend/Model.h"
#include "colo/Plan/Plan.h"
#include "colo/Schedule/ScheduleFile.h"
#include "colo/Target/CPU.h"
#include "colo/Target/CUDA.h"
#include "colo/Tools/Pipelines.h"
#include "colo/Tools/Registry.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/WithColor.h"
#include <chrono>

using namespace colo;
using namespace mlir;

static constexpr llvm::StringRef names[] = {"ast",     "colo", "staged", "autodiff", "sharded", "spmd", "linalg",
                                            "buffers", "rt",   "llvm",   "ptx",      "obj",     "exe"};

llvm::ArrayRef<llvm::StringRef> colo::phaseNames() { return names; }

std::optional<Phase> colo::parsePhase(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name)
      return static_cast<Phase>(i);
  return std::nullopt;
}

namespace {

llvm::StringRef nameOf(Phase phase) { return names[static_cast<size_t>(phase)]; }

bool prints(CompileRequest::PlanFormat format) { return format != CompileRequest::PlanFormat::None; }

int environmentError(const llvm::Twine &message) {
  llvm::WithColor::error(llvm::errs(), "colo-compile") << message << '\n';
  return ExitUsage;
}

class Compilation {
public:
  explicit Compilation(const CompileRequest &request) : request(request), diagnostics(sources) {
    DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    context.printOpOnDiagnostic(false);
    sources.setDiagHandler(
        [](const llvm::SMDiagnostic &diagnostic, void *) { printDiagnostic(diagnostic, llvm::errs()); });
  }

  int run();

private:
  int runPhases();
  int verifyDiagnostics();
  static void forwardToVerifier(const llvm::SMDiagnostic &diagnostic, void *self);
  void finishForwarded();
  int load(llvm::StringRef path, unsigned &bufferId);
  int loadInputs();
  int loadSchedule();
  int importModule();
  int readDefines();
  int compareModes();
  llvm::SMLoc addDefineBuffer(llvm::StringRef name, llvm::StringRef value);
  void locateStages();
  int runPhase(Phase phase);
  int internalError(Phase phase, const std::string &before);
  int finishPhase(Phase phase, llvm::function_ref<void(llvm::raw_ostream &)> print);
  int writeFile(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream &)> print);
  int printPlan();
  void printScheduleComment(llvm::raw_ostream &os);
  int writeScheduleSvg();
  int printPtx();
  int emitExecutable();
  std::string dumpPath(Phase phase) const;
  bool printsText() const;
  std::vector<std::string> outputPaths() const;
  int checkInput(llvm::StringRef input) const;
  int checkOutputs() const;
  bool wants(Phase phase) const { return request.emit == phase; }
  std::string executablePath() const;

  const CompileRequest &request;
  llvm::SourceMgr sources;
  Diagnostics diagnostics;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  ParallelConfig config;
  ModelOptions options;
  unsigned modelBuffer = 0;
  OwningOpRef<ModuleOp> module;
  bool done = false; ///< the requested phase has been printed
  /// Exists with --verify-diagnostics; `reporting` while it speaks itself.
  std::unique_ptr<SourceMgrDiagnosticVerifierHandler> verifier;
  bool reporting = false;
  std::optional<Diagnostic> forwarded; ///< waits for the notes that follow it
  unsigned verifiedBuffers = 0;        ///< the first so many buffers hold expectations
};

int Compilation::load(llvm::StringRef path, unsigned &bufferId) {
  auto file = readSource(path);
  if (std::error_code error = file.getError())
    return environmentError("cannot read '" + path + "': " + error.message());
  bufferId = sources.AddNewSourceBuffer(std::move(*file), llvm::SMLoc());
  return ExitDone;
}

/// The schedule file that the config names, in the config's folder; what is no schedule is shown in it.
int Compilation::loadSchedule() {
  llvm::SmallString<128> path(llvm::sys::path::parent_path(request.configFile));
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
  std::optional<schedule::Schedule> actions = schedule::readSchedule(config.pipelineActions, mistake);
  std::optional<schedule::Diagnostic> wrong = actions ? problem.verify(*actions) : std::nullopt;
  if (!actions)
    diagnostics.error(sources.FindLocForLineAndColumn(buffer, mistake.line, std::max(1u, mistake.column)),
                      mistake.message);
  else if (wrong)
    diagnostics.error(config.pipelineSchedule.loc, wrong->message);
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
  SupportedFeatures supported;
  supported.tensorMode = [](llvm::StringRef mode) { return dist::isModeSupported(mode); };
  std::optional<ParallelConfig> loaded = loadConfig(sources, configBuffer, request.worldSize, supported);
  if (!loaded)
    return ExitInput;
  config = *loaded;
  // A comparison shares the rows out anew.
  if (std::string error = describeBatchError(config); !error.empty() && !prints(request.compareModes)) {
    diagnostics.error(config.batchSize.isDefault() ? config.tensorMode.loc : config.batchSize.loc, error);
    return ExitInput;
  }
  bool isFile = llvm::StringRef(config.pipelineSchedule.value).ends_with(".csv");
  return isFile && config.pipeline > 1 ? loadSchedule() : ExitDone;
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

/// Gives a -D flag a place that an error can point at.
llvm::SMLoc Compilation::addDefineBuffer(llvm::StringRef name, llvm::StringRef value) {
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy((name + "=" + value).str(), "-D");
  llvm::SMLoc loc = llvm::SMLoc::getFromPointer(buffer->getBufferStart() + name.size() + 1);
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  return loc;
}

int Compilation::readDefines() {
  options.modelName = request.modelName;
  options.defines = config.model;
  for (const auto &[name, value] : request.defines) {
    if (name != "dtype") {
      options.defines[name] = {parseDefine(value), addDefineBuffer(name, value)};
      continue;
    }
    if (value != "f32" && value != "f64")
      return environmentError("-D dtype=" + value + " is not supported; legal: f32 or f64");
    options.f64 = value == "f64";
  }
  return ExitDone;
}

int Compilation::importModule() {
  if (int code = readDefines())
    return code;
  options.batch = config.microBatch();
  options.decayExempt = config.optimizer.decayExempt;
  module = importModel(context, sources, modelBuffer, options);
  if (!module)
    return ExitInput;
  trainingSettings(config).attachTo(*module);
  return ExitDone;
}

/// The model has been imported and differentiated once, so what is wrong with it has been said.
int Compilation::compareModes() {
  auto keepFirst = [](const llvm::SMDiagnostic &diagnostic, void *reason) {
    auto &text = *static_cast<std::string *>(reason);
    if (text.empty() && diagnostic.getKind() == llvm::SourceMgr::DK_Error)
      text = diagnostic.getMessage().str();
  };
  auto import = [&](const ParallelConfig &changed, std::string &reason) {
    options.batch = changed.microBatch();
    sources.setDiagHandler(keepFirst, &reason);
    OwningOpRef<ModuleOp> imported = importModel(context, sources, modelBuffer, options);
    sources.setDiagHandler(nullptr);
    if (imported)
      trainingSettings(changed).attachTo(*imported);
    return imported;
  };
  ModeComparison comparison(context, config, request.algorithm, import);
  int code = writeFile(request.output.empty() ? "-" : request.output, [&](llvm::raw_ostream &os) {
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

int Compilation::writeFile(llvm::StringRef path, llvm::function_ref<void(llvm::raw_ostream &)> print) {
  std::error_code error;
  std::string name = path == "-" ? "standard output" : ("'" + path + "'").str();
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_None);
  if (error)
    return environmentError("cannot write " + name + ": " + error.message());
  print(file.os());
  file.os().flush();
  if (file.os().has_error()) {
    error = file.os().error();
    file.os().clear_error();
    return environmentError("cannot write " + name + ": " + error.message());
  }
  file.keep();
  return ExitDone;
}

/// Dumps and prints a textual phase as asked for.
int Compilation::finishPhase(Phase phase, llvm::function_ref<void(llvm::raw_ostream &)> print) {
  if (!request.dumpDirectory.empty()) {
    if (std::error_code error = llvm::sys::fs::create_directories(request.dumpDirectory))
      return environmentError("cannot create '" + request.dumpDirectory + "': " + error.message());
    if (int code = writeFile(dumpPath(phase), print))
      return code;
  }
  if (!wants(phase) || prints(request.plan) || request.check)
    return ExitDone;
  done = true;
  return writeFile(request.output.empty() ? "-" : request.output, print);
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

/// Tells the staging which place in the config divides the layers.
void Compilation::locateStages() {
  llvm::SMLoc loc = config.pipeline.loc;
  for (llvm::SMLoc closer : {config.pipelineChunks.loc, config.pipelinePartition.loc})
    if (closer.isValid())
      loc = closer;
  if (!loc.isValid())
    return;
  unsigned buffer = sources.FindBufferContainingLoc(loc);
  auto [line, column] = sources.getLineAndColumn(loc, buffer);
  llvm::StringRef file = sources.getMemoryBuffer(buffer)->getBufferIdentifier();
  (*module)->setAttr(pipe::kConfigLocAttr, FileLineColLoc::get(&context, file, line, column));
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
  PassManager pm(&context);
  pm.enableVerifier(true);
  buildPhasePipeline(pm, phase, config, request.algorithm, request.target);
  if (failed(pm.run(*module)))
    return ours ? internalError(phase, before) : ExitInput;
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

/// How the pipeline's schedule runs, in comments behind the program.
void Compilation::printScheduleComment(llvm::raw_ostream &os) {
  std::string text;
  llvm::raw_string_ostream drawing(text);
  pipe::printTimeline(*module, drawing);
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(text).split(lines, '\n', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  if (!lines.empty())
    os << "// Predicted by flops; a mean forward takes 1 s, its backward 2 s.\n";
  for (llvm::StringRef line : lines)
    os << "// " << line << '\n';
}

int Compilation::writeScheduleSvg() {
  if (!pipe::findSchedule(*module))
    return environmentError("--schedule-svg draws a pipeline's schedule, and this program has one stage");
  return writeFile(request.scheduleSvg, [&](llvm::raw_ostream &os) { pipe::printTimelineSvg(*module, os); });
}

int Compilation::printPlan() {
  int64_t ranks = config.pipeline * config.tensorSize * config.sequenceSize;
  Plan plan = computePlan(*module, config.worldSize / ranks);
  return writeFile(request.output.empty() ? "-" : request.output, [&](llvm::raw_ostream &os) {
    if (request.plan == CompileRequest::PlanFormat::JSON)
      printPlanJSON(plan, os);
    else
      printPlanText(plan, os);
  });
}

/// A name that no tool takes for a flag.
std::string Compilation::executablePath() const {
  std::string path = request.output.empty() ? llvm::sys::path::stem(request.modelFile).str() : request.output;
  return llvm::StringRef(path).starts_with("-") ? "./" + path : path;
}

int Compilation::printPtx() {
  std::string ptx, message;
  if (failed(emitPtx(*module, request.optLevel, ptx, message)))
    return environmentError(message);
  return writeFile(request.output.empty() ? "-" : request.output, [&](llvm::raw_ostream &os) { os << ptx; });
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
      return environmentError("cannot create a temporary file: " + error.message());
  llvm::FileRemover remover(object, isTemporary);
  std::string message;
  if (failed(emitObject(*module, options, object, message)))
    return environmentError(message);
  if (wants(Phase::Object))
    return ExitDone;
  llvm::SmallString<128> archive(llvm::sys::path::parent_path(llvm::sys::path::parent_path(request.toolPath)));
  llvm::sys::path::append(archive, "lib", "libColoRuntime.a");
  LogicalResult linked = linkExecutable(object, archive, executable, message);
  return failed(linked) ? environmentError(message) : ExitDone;
}

std::string Compilation::dumpPath(Phase phase) const {
  llvm::StringRef extension = phase == Phase::AST ? "txt" : "mlir";
  std::string name = llvm::formatv("{0,0+2}-{1}.{2}", static_cast<int>(phase), nameOf(phase), extension).str();
  llvm::SmallString<128> path(request.dumpDirectory);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

bool Compilation::printsText() const {
  bool binary = wants(Phase::Executable) || wants(Phase::Object);
  return !binary || request.check || request.printConfig || prints(request.plan) || prints(request.compareModes);
}

/// The files that are written, but for standard output.
std::vector<std::string> Compilation::outputPaths() const {
  std::vector<std::string> paths;
  if (!printsText() || (!request.output.empty() && request.output != "-"))
    paths.push_back(executablePath());
  if (!printsText() && request.saveTemps && wants(Phase::Executable))
    paths.push_back(executablePath() + ".o");
  if (!request.scheduleSvg.empty() && request.scheduleSvg != "-")
    paths.push_back(request.scheduleSvg);
  if (!request.dumpDirectory.empty())
    for (int i = static_cast<int>(Phase::AST); i <= static_cast<int>(Phase::LLVM); ++i)
      paths.push_back(dumpPath(static_cast<Phase>(i)));
  return paths;
}

/// No output may be written over an input.
int Compilation::checkInput(llvm::StringRef input) const {
  for (const std::string &output : outputPaths())
    if (llvm::sys::fs::equivalent(output, input))
      return environmentError("'" + output + "' is an input and would be overwritten; name another file");
  return ExitDone;
}

/// What is written to a device is lost to no one.
static bool namesSameFile(llvm::StringRef a, llvm::StringRef b) {
  if (llvm::sys::fs::exists(a) && !llvm::sys::fs::is_regular_file(a))
    return false;
  llvm::SmallString<128> first(a), second(b);
  llvm::sys::fs::make_absolute(first);
  llvm::sys::fs::make_absolute(second);
  llvm::sys::path::remove_dots(first);
  llvm::sys::path::remove_dots(second);
  return first == second || llvm::sys::fs::equivalent(first, second);
}

/// No file is written twice or over an input, and a binary goes to a regular file only.
int Compilation::checkOutputs() const {
  if (!printsText() && request.output == "-")
    return environmentError("an executable cannot go to standard output; name a file with -o");
  for (const std::string &input : {request.modelFile, request.configFile})
    if (int code = input.empty() ? ExitDone : checkInput(input))
      return code;
  std::vector<std::string> outputs = outputPaths();
  for (size_t i = 0; i < outputs.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (namesSameFile(outputs[i], outputs[j]))
        return environmentError("'" + outputs[i] + "' is named for two outputs");
  std::string executable = executablePath();
  if (!printsText() && llvm::sys::fs::exists(executable) && !llvm::sys::fs::is_regular_file(executable))
    return environmentError("'" + executable + "' is not a regular file");
  return ExitDone;
}

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

int Compilation::run() {
  int code = runPhases();
  return verifier ? verifyDiagnostics() : code;
}

int Compilation::runPhases() {
  if (int code = checkOutputs())
    return code;
  if (int code = loadInputs())
    return code;
  if (request.printConfig) {
    return writeFile("-", [&](llvm::raw_ostream &os) { printConfig(config, sources, os); });
  }
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
               : request.check             ? Phase::SPMD
               : plan || wants(Phase::PTX) ? Phase::Rt
                                           : Phase::LLVM;
  for (int i = static_cast<int>(Phase::Staged); i <= static_cast<int>(last); ++i) {
    auto start = std::chrono::steady_clock::now();
    if (int code = runPhase(static_cast<Phase>(i)); code || done)
      return code;
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (request.verbose)
      llvm::errs() << llvm::formatv("{0,-8} {1:f3} s\n", nameOf(static_cast<Phase>(i)), seconds.count());
  }
  if (request.check)
    return ExitDone;
  if (compares)
    return compareModes();
  if (plan)
    return printPlan();
  if (wants(Phase::PTX))
    return printPtx();
  auto start = std::chrono::steady_clock::now();
  int code = emitExecutable();
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (request.verbose)
    llvm::errs() << llvm::formatv("{0,-8} {1:f3} s\n", "exe", seconds.count());
  return code;
}

} // namespace

int colo::compile(const CompileRequest &request) {
  Compilation compilation(request);
  return compilation.run();
}
