//===- colo-compile.cpp - the compiler's command line ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parses flags into a CompileRequest; everything else is lib/Tools.
//
//===----------------------------------------------------------------------===//

#include "colo/Frontend/Diagnostics.h"
#include "colo/Tools/Compile.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Option/Arg.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace colo;
using namespace llvm;

namespace {

enum OptionId {
  OPT_INVALID = 0,
#define OPTION(...) LLVM_MAKE_OPT_ID(__VA_ARGS__),
#include "Options.inc"
#undef OPTION
};

#define PREFIX(NAME, VALUE)                                                                                            \
  constexpr StringLiteral NAME##Init[] = VALUE;                                                                        \
  constexpr ArrayRef<StringLiteral> NAME(NAME##Init, std::size(NAME##Init) - 1);
#include "Options.inc"
#undef PREFIX

using namespace llvm::opt;
constexpr OptTable::Info optionInfos[] = {
#define OPTION(...) LLVM_CONSTRUCT_OPT_INFO(__VA_ARGS__),
#include "Options.inc"
#undef OPTION
};

class OptionTable : public GenericOptTable {
public:
  OptionTable() : GenericOptTable(optionInfos) {}
};

int say(const Twine &message, ExitCode code) {
  WithColor::error(errs(), "colo-compile") << message << '\n';
  return code;
}

int usageError(const Twine &message) { return say(message, ExitUsage); }

/// What --help and --version end with.
int endOfOutput() {
  outs().flush();
  std::error_code error = outs().error();
  outs().clear_error();
  return error ? say("cannot write standard output: " + error.message(), ExitInput) : ExitDone;
}

/// Errors that the table itself can see: unknown flags and missing values.
int checkFlags(const OptionTable &table, const InputArgList &args, unsigned missingIndex, unsigned missingCount) {
  if (missingCount)
    return usageError(Twine("'") + args.getArgString(missingIndex) + "' needs a value");
  for (const Arg *arg : args.filtered(OPT_UNKNOWN)) {
    std::string nearest;
    std::string text = arg->getAsString(args);
    if (table.findNearest(text, nearest) <= 2)
      return usageError(Twine("unknown argument '") + text + "', did you mean '" + nearest + "'?");
    return usageError(Twine("unknown argument '") + text + "'; --help lists what there is");
  }
  return ExitDone;
}

/// A flag with a value says it once, and says something; -D is given for each name.
int checkValues(const InputArgList &args) {
  DenseMap<unsigned, const Arg *> seen;
  StringSet<> defined;
  for (const Arg *arg : args) {
    if (arg->getOption().matches(OPT_INPUT) || !arg->getNumValues())
      continue;
    StringRef flag = arg->getSpelling().rtrim('='), value = arg->getValue();
    if (arg->getOption().matches(OPT_define)) {
      if (!defined.insert(value.split('=').first).second)
        return usageError("'-D " + value.split('=').first + "' is given twice");
      continue;
    }
    if (value.empty())
      return usageError("'" + flag + "' needs a value");
    auto [first, isNew] = seen.try_emplace(arg->getOption().getID(), arg);
    if (!isNew)
      return usageError("'" + flag + "' is given twice, with '" + first->second->getValue() + "' and '" + value + "'");
  }
  return ExitDone;
}

int parseTarget(StringRef target, bool emulate, CompileRequest &request) {
  auto [kind, cpu] = target.split(':');
  if (kind == "cuda" && cpu.empty()) {
    request.target = emulate ? Target::EmulatedCuda : Target::Cuda;
    // Host code that only enqueues runs on any machine that has a GPU.
    if (!emulate)
      request.cpu = "x86-64-v3";
    return ExitDone;
  }
  if (kind != "cpu" || (!cpu.empty() && cpu != "native" && cpu != "x86-64-v3" && cpu != "x86-64-v4"))
    return usageError("unknown target '" + target + "'; legal: cpu, cpu:native, cpu:x86-64-v3, cpu:x86-64-v4, cuda");
  if (!cpu.empty())
    request.cpu = cpu.str();
  return ExitDone;
}

/// `--flag` or `--flag=text|json`, once.
int parseFormat(const InputArgList &args, OptionId plain, OptionId valued, CompileRequest::PlanFormat &result) {
  const Arg *arg = args.getLastArg(plain, valued);
  if (!arg)
    return ExitDone;
  auto all = args.filtered(plain, valued);
  if (std::distance(all.begin(), all.end()) > 1)
    return usageError("'" + arg->getSpelling().rtrim('=') + "' is given twice");
  StringRef format = arg->getOption().matches(plain) ? "text" : arg->getValue();
  if (format != "text" && format != "json")
    return usageError(Twine("unknown format '") + format + "' of " + arg->getSpelling().rtrim('=') +
                      "; legal: text or json");
  result = format == "json" ? CompileRequest::PlanFormat::JSON : CompileRequest::PlanFormat::Text;
  return ExitDone;
}

/// The first of `others` that is given is an error beside `flag`.
int checkAlone(const InputArgList &args, StringRef flag, ArrayRef<OptionId> others) {
  for (OptionId other : others)
    if (const Arg *arg = args.getLastArg(other))
      return usageError(flag + " does not go with " + arg->getSpelling().rtrim('='));
  return ExitDone;
}

/// What prints the configuration compiles nothing, and a check that prints nothing writes nothing.
int checkPrinting(const InputArgList &args, const CompileRequest &request) {
  if (request.printConfig)
    return checkAlone(
        args, "--print-config",
        {OPT_plan, OPT_plan_eq, OPT_emit_eq, OPT_dump_phases_eq, OPT_schedule_svg_eq, OPT_check, OPT_save_temps});
  if (request.check && request.plan == CompileRequest::PlanFormat::None)
    return checkAlone(args, "--check", {OPT_output, OPT_save_temps});
  return ExitDone;
}

/// A comparison compiles many programs and prints one table.
int checkComparison(const InputArgList &args, const CompileRequest &request) {
  if (request.compareModes == CompileRequest::PlanFormat::None)
    return ExitDone;
  if (!request.worldSize)
    return usageError("--compare-modes needs --world-size, the number of ranks to compare on");
  constexpr int64_t maxRanks = 65536;
  if (request.worldSize > maxRanks)
    return usageError("--compare-modes compares on at most " + Twine(maxRanks) + " ranks, not " +
                      Twine(request.worldSize));
  return checkAlone(args, "--compare-modes",
                    {OPT_plan, OPT_plan_eq, OPT_emit_eq, OPT_dump_phases_eq, OPT_check, OPT_print_config,
                     OPT_save_temps, OPT_no_epilogues, OPT_verify_diagnostics});
}

int parseValues(const InputArgList &args, CompileRequest &request) {
  if (const Arg *arg = args.getLastArg(OPT_emit_eq)) {
    std::optional<Phase> phase = parsePhase(arg->getValue());
    if (!phase)
      return usageError(Twine("unknown phase '") + arg->getValue() + "'; legal: " + joinNames(phaseNames(), "or"));
    request.emit = *phase;
    if (request.check)
      return usageError("--check prints no phase; leave out --check or --emit");
  }
  if (int code = parseFormat(args, OPT_plan, OPT_plan_eq, request.plan))
    return code;
  if (request.plan != CompileRequest::PlanFormat::None && args.hasArg(OPT_emit_eq))
    return usageError("--plan prints no phase; leave out --plan or --emit");
  if (int code = parseFormat(args, OPT_compare_modes, OPT_compare_modes_eq, request.compareModes))
    return code;
  if (const Arg *arg = args.getLastArg(OPT_O))
    if (StringRef(arg->getValue()).getAsInteger(10, request.optLevel) || request.optLevel < 0 || request.optLevel > 3)
      return usageError(Twine("unknown optimisation level '-O") + arg->getValue() + "'; legal: -O0 to -O3");
  if (const Arg *arg = args.getLastArg(OPT_algorithm_eq)) {
    request.algorithm = arg->getValue();
    if (request.algorithm != "loop" && request.algorithm != "reference")
      return usageError("unknown algorithm '" + Twine(request.algorithm) + "'; legal: loop or reference");
  }
  if (const Arg *arg = args.getLastArg(OPT_world_size_eq))
    if (StringRef(arg->getValue()).getAsInteger(10, request.worldSize) || request.worldSize < 1)
      return usageError(Twine("--world-size needs an integer of at least 1, not '") + arg->getValue() + "'");
  for (StringRef define : args.getAllArgValues(OPT_define)) {
    auto [name, value] = define.split('=');
    if (name.empty() || value.empty())
      return usageError("-D needs name=value, not '" + define + "'");
    request.defines.emplace_back(name.str(), value.str());
  }
  const Arg *target = args.getLastArg(OPT_target_eq);
  bool isCuda = target && StringRef(target->getValue()).starts_with("cuda");
  if (const Arg *arg = args.getLastArg(OPT_emulate, OPT_no_epilogues); arg && !isCuda)
    return usageError(arg->getSpelling() + " goes with --target=cuda");
  if (target)
    if (int code = parseTarget(target->getValue(), args.hasArg(OPT_emulate), request))
      return code;
  if (request.emit == Phase::PTX && request.target == Target::CPU)
    return usageError("--emit=ptx needs --target=cuda");
  return ExitDone;
}

int parseArguments(const InputArgList &args, CompileRequest &request) {
  std::vector<std::string> inputs = args.getAllArgValues(OPT_INPUT);
  if (inputs.size() > 1)
    return usageError("one model file at a time, not '" + inputs[0] + "' and '" + inputs[1] + "'");
  if (!inputs.empty())
    request.modelFile = inputs[0];
  request.configFile = args.getLastArgValue(OPT_config_eq).str();
  request.output = args.getLastArgValue(OPT_output).str();
  request.dumpDirectory = args.getLastArgValue(OPT_dump_phases_eq).str();
  request.scheduleSvg = args.getLastArgValue(OPT_schedule_svg_eq).str();
  request.modelName = args.getLastArgValue(OPT_model_eq).str();
  request.check = args.hasArg(OPT_check);
  request.printConfig = args.hasArg(OPT_print_config);
  request.saveTemps = args.hasArg(OPT_save_temps);
  request.epilogues = !args.hasArg(OPT_no_epilogues);
  request.verbose = args.hasArg(OPT_verbose);
  request.verifyDiagnostics = args.hasArg(OPT_verify_diagnostics);
  if (int code = parseValues(args, request))
    return code;
  if (int code = checkComparison(args, request))
    return code;
  if (int code = checkPrinting(args, request))
    return code;
  if (request.modelFile.empty() && !((request.check || request.printConfig) && !request.configFile.empty()))
    return usageError("no model file; usage: colo-compile MODEL.colo [--config PARALLEL.cfg] [-o EXE]");
  return ExitDone;
}

} // namespace

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  OptionTable table;
  BumpPtrAllocator allocator;
  StringSaver saver(allocator);
  unsigned missingIndex = 0, missingCount = 0;
  InputArgList args = table.ParseArgs(ArrayRef<const char *>(argv + 1, argc - 1), missingIndex, missingCount);
  if (args.hasArg(OPT_help)) {
    table.printHelp(outs(), "colo-compile MODEL.colo [--config PARALLEL.cfg] [-o EXE] [options]",
                    "colo-compile: a model and a parallel configuration become an executable that trains");
    return endOfOutput();
  }
  if (args.hasArg(OPT_version)) {
    outs() << "colo " << COLO_VERSION << " (LLVM " << LLVM_VERSION_STRING << ")\n";
    return endOfOutput();
  }
  if (int code = checkFlags(table, args, missingIndex, missingCount))
    return code;
  if (int code = checkValues(args))
    return code;
  CompileRequest request;
  request.toolPath = sys::fs::getMainExecutable(argv[0], reinterpret_cast<void *>(&main));
  if (int code = parseArguments(args, request))
    return code;
  return compile(request);
}
