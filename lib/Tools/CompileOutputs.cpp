//===- CompileOutputs.cpp - where a compile writes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace colo;
using namespace mlir;

bool Compilation::printsText() const {
  bool binary = wants(Phase::Executable) || wants(Phase::Object);
  return !binary || request.check || request.printConfig || prints(request.plan) || prints(request.compareModes);
}

/// A name that no tool takes for a flag. An object has its own, since an executable of the model may be there.
std::string Compilation::executablePath() const {
  std::string path = request.output;
  if (path.empty())
    path = (llvm::sys::path::stem(request.modelFile) + (wants(Phase::Object) ? ".o" : "")).str();
  return llvm::StringRef(path).starts_with("-") ? "./" + path : path;
}

std::string Compilation::dumpPath(Phase phase) const {
  llvm::StringRef extension = phase == Phase::AST ? "txt" : phase == Phase::PTX ? "ptx" : "mlir";
  std::string name = llvm::formatv("{0,0+2}-{1}.{2}", static_cast<int>(phase), nameOf(phase), extension).str();
  llvm::SmallString<128> path(request.dumpDirectory);
  llvm::sys::path::append(path, name);
  return path.str().str();
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
  Phase last = request.target == Target::Cuda ? Phase::PTX : Phase::LLVM;
  if (!request.dumpDirectory.empty())
    for (int i = static_cast<int>(Phase::AST); i <= static_cast<int>(last); ++i)
      paths.push_back(dumpPath(static_cast<Phase>(i)));
  return paths;
}

/// No output may be written over an input.
int Compilation::checkInput(llvm::StringRef input) const {
  for (const std::string &output : outputPaths())
    if (llvm::sys::fs::equivalent(output, input))
      return usageError("'" + output + "' is an input and would be overwritten; name another file");
  return ExitDone;
}

/// What is written to a device is lost to no one.
static bool namesSameFile(llvm::StringRef a, llvm::StringRef b) {
  if (llvm::sys::fs::exists(a) && !llvm::sys::fs::is_regular_file(a))
    return false;
  llvm::SmallString<128> first(a), second(b);
  // Both stay relative if the current folder is gone, and compare as well.
  (void)llvm::sys::fs::make_absolute(first);
  (void)llvm::sys::fs::make_absolute(second);
  llvm::sys::path::remove_dots(first);
  llvm::sys::path::remove_dots(second);
  return first == second || llvm::sys::fs::equivalent(first, second);
}

/// Standard input, a device or a pipe: its name says nothing of the model.
static bool isUnnamed(llvm::StringRef input) {
  return input == "-" || input == "/dev/stdin" || input.starts_with("/dev/fd/") ||
         input.starts_with("/proc/self/fd/") ||
         (llvm::sys::fs::exists(input) && !llvm::sys::fs::is_regular_file(input) &&
          !llvm::sys::fs::is_directory(input));
}

/// No file is written twice or over an input, and a binary goes to a regular file only.
int Compilation::checkOutputs() const {
  if (!printsText() && request.output == "-")
    return usageError("what is not text cannot go to standard output; name a file with -o");
  if (!printsText() && request.output.empty() && isUnnamed(request.modelFile))
    return usageError("'" + request.modelFile + "' gives the result no name; name a file with -o");
  for (const std::string &input : {request.modelFile, request.configFile})
    if (int code = input.empty() ? ExitDone : checkInput(input))
      return code;
  std::vector<std::string> outputs = outputPaths();
  for (size_t i = 0; i < outputs.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (namesSameFile(outputs[i], outputs[j]))
        return usageError("'" + outputs[i] + "' is named for two outputs");
  std::string executable = executablePath();
  llvm::StringRef folder = llvm::sys::path::parent_path(executable);
  if (!printsText())
    if (std::error_code error = llvm::sys::fs::access(folder.empty() ? "." : folder, llvm::sys::fs::AccessMode::Write))
      return fileError("cannot write '" + executable + "': " + error.message());
  if (!printsText() && llvm::sys::fs::exists(executable) && !llvm::sys::fs::is_regular_file(executable))
    return fileError("'" + executable + "' is not a regular file");
  return ExitDone;
}

int Compilation::writeFile(llvm::StringRef path, Printer print) {
  std::error_code error;
  std::string name = path == "-" ? "standard output" : ("'" + path + "'").str();
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_None);
  if (error)
    return fileError("cannot write " + name + ": " + error.message());
  print(file.os());
  file.os().flush();
  if (file.os().has_error()) {
    error = file.os().error();
    file.os().clear_error();
    return fileError("cannot write " + name + ": " + error.message());
  }
  file.keep();
  return ExitDone;
}
