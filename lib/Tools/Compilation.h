//===- Compilation.h - one run of colo-compile -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The sources, the context and the module of one compile, and what is done with
// them: inputs are read (CompileInputs.cpp), phases run (Compile.cpp), results
// written (CompileResults.cpp) to outputs that lie over nothing else
// (CompileOutputs.cpp). A function that returns an int returns an ExitCode.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_TOOLS_COMPILATION_H
#define COLO_LIB_TOOLS_COMPILATION_H

#include "colo/Frontend/Config.h"
#include "colo/Frontend/Diagnostics.h"
#include "colo/Frontend/Model.h"
#include "colo/Schedule/ScheduleFile.h"
#include "colo/Tools/Compile.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"

namespace colo {

inline llvm::StringRef nameOf(Phase phase) { return phaseNames()[static_cast<size_t>(phase)]; }
inline bool prints(CompileRequest::PlanFormat format) { return format != CompileRequest::PlanFormat::None; }

/// The command line does not fit, or a tool is missing.
int usageError(const llvm::Twine &message);
/// A file cannot be read or written.
int fileError(const llvm::Twine &message);

class Compilation {
public:
  explicit Compilation(const CompileRequest &request);

  int run();

private:
  using Printer = llvm::function_ref<void(llvm::raw_ostream &)>;

  // Phases.
  int runPhases();
  int runPhase(Phase phase);
  mlir::FileLineColLoc locate(llvm::SMLoc loc);
  void locateStages();
  mlir::LogicalResult blameGroup(mlir::Diagnostic &diagnostic);
  int internalError(Phase phase, const std::string &before);
  bool wants(Phase phase) const { return request.emit == phase; }

  // Inputs.
  int load(llvm::StringRef path, unsigned &bufferId);
  int loadInputs();
  int loadSchedule();
  void showInSchedule(const schedule::Diagnostic &wrong, const schedule::ScheduleText &text, unsigned buffer);
  ModelDefine addDefine(llvm::StringRef name, llvm::StringRef value);
  int readDefines();
  int importModule();

  // Results.
  int finishPhase(Phase phase, Printer print);
  void printScheduleComment(llvm::raw_ostream &os);
  int writeScheduleSvg();
  int compareModes();
  int printPlan();
  int translateKernels(std::string &ptx); ///< the phase `ptx`
  int embedKernels();
  int emitExecutable();

  // Outputs.
  bool printsText() const;
  std::string executablePath() const;
  std::string dumpPath(Phase phase) const;
  std::vector<std::string> outputPaths() const;
  int checkInput(llvm::StringRef input) const;
  int checkOutputs() const;
  static int writeFile(llvm::StringRef path, Printer print);
  /// To where the request wants it; standard output if it does not say.
  int writeText(Printer print) const { return writeFile(request.output.empty() ? "-" : request.output, print); }

  // --verify-diagnostics.
  static void forwardToVerifier(const llvm::SMDiagnostic &diagnostic, void *self);
  void finishForwarded();
  int verifyDiagnostics();

  const CompileRequest &request;
  llvm::SourceMgr sources;
  Diagnostics diagnostics;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  ParallelConfig config;
  ModelOptions options;
  unsigned modelBuffer = 0;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  bool done = false; ///< the requested phase has been printed
  /// Exists with --verify-diagnostics; `reporting` while it speaks itself.
  std::unique_ptr<mlir::SourceMgrDiagnosticVerifierHandler> verifier;
  bool reporting = false;
  std::optional<mlir::Diagnostic> forwarded; ///< waits for the notes that follow it
  unsigned verifiedBuffers = 0;              ///< the first so many buffers hold expectations
};

} // namespace colo

#endif // COLO_LIB_TOOLS_COMPILATION_H
