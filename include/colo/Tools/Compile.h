//===- Compile.h - from a model and a config to an executable --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The driver as a library: a compile is a list of phases, each of which can be
// printed. Exit codes are the tool's contract: 0 done, 1 an input is wrong
// or cannot be read or an output cannot be written, 2 the command line does not
// fit or a tool is missing, 70 our own fault.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TOOLS_COMPILE_H
#define COLO_TOOLS_COMPILE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace colo {

/// Of the tool.
enum ExitCode { ExitDone = 0, ExitInput = 1, ExitUsage = 2, ExitInternal = 70 };

/// In the order of a compile.
enum class Phase { AST, Colo, Staged, Autodiff, Sharded, SPMD, Linalg, Buffers, Rt, LLVM, PTX, Object, Executable };

/// The names of --emit, in the order of Phase.
llvm::ArrayRef<llvm::StringRef> phaseNames();
/// Nothing for a name that is none of them.
std::optional<Phase> parsePhase(llvm::StringRef name);

/// What kernels run on. EmulatedCuda: the kernels of Cuda, on the host.
enum class Target { CPU, Cuda, EmulatedCuda };

/// What the command line asks for.
struct CompileRequest {
  std::string modelFile;  ///< may be empty with --check and --print-config
  std::string configFile; ///< empty: all defaults
  std::string output;     ///< empty: standard output for text, the model's name for an executable
  Phase emit = Phase::Executable;
  std::string dumpDirectory; ///< empty: no dumps
  std::string scheduleSvg;   ///< empty: the pipeline's schedule is not drawn
  enum class PlanFormat { None, Text, JSON } plan = PlanFormat::None;
  PlanFormat compareModes = PlanFormat::None; ///< needs a worldSize
  bool check = false, printConfig = false, saveTemps = false, verbose = false, verifyDiagnostics = false;
  Target target = Target::CPU;
  std::string cpu = "native"; ///< native, x86-64-v3 or x86-64-v4
  int optLevel = 3;
  std::string algorithm = "loop"; ///< how products and rings that stream are computed: loop or reference
  bool epilogues = true;          ///< products do what the target's can (fuse-epilogues)
  std::string modelName;
  std::vector<std::pair<std::string, std::string>> defines; ///< -D name=value
  int64_t worldSize = 0;                                    ///< 0: unknown
  std::string toolPath; ///< of this program, where the runtime archive is found from
};

/// Runs the request; diagnostics go to standard error. Returns an ExitCode.
int compile(const CompileRequest &request);

} // namespace colo

#endif // COLO_TOOLS_COMPILE_H
