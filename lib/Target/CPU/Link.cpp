//===- Link.cpp - an object and the runtime to an executable ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The system's C++ compiler driver links: it knows where the C++ library lies.
// It is run with an argument vector, never through a shell.
//
//===----------------------------------------------------------------------===//

#include "colo/Target/CPU.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace colo;
using namespace mlir;

/// The first of the usual drivers on PATH.
static std::string findDriver() {
  for (StringRef name : {"clang++-19", "g++", "c++", "clang++"})
    if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName(name))
      return *path;
  return "";
}

static std::string readAll(StringRef path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> file = llvm::MemoryBuffer::getFile(path);
  return file ? (*file)->getBuffer().str() : "";
}

LogicalResult colo::linkExecutable(StringRef object, StringRef runtimeArchive, StringRef path, std::string &message) {
  std::string driver = findDriver();
  if (driver.empty()) {
    message = "no C++ compiler driver to link with: install clang-19 or g++";
    return failure();
  }
  if (!llvm::sys::fs::exists(runtimeArchive)) {
    message = ("the runtime archive '" + runtimeArchive + "' is missing; build the target ColoRuntime").str();
    return failure();
  }
  llvm::SmallString<128> temporary, log;
  if (std::error_code error = llvm::sys::fs::createUniqueFile(path + ".%%%%%%", temporary)) {
    message = ("cannot write '" + path + "': " + error.message()).str();
    return failure();
  }
  llvm::FileRemover removeTemporary(temporary);
  if (std::error_code error = llvm::sys::fs::createTemporaryFile("colo-link", "log", log)) {
    message = "cannot create a temporary file: " + error.message();
    return failure();
  }
  llvm::FileRemover removeLog(log);

  // A program for another device needs no library of the CPU's products.
  llvm::SmallVector<StringRef> args = {
      driver, "-pie", "-o", temporary, "-Wl,--as-needed", object, runtimeArchive, "-ldnnl", "-lopenblas", "-lz",
      "-lpthread", "-ldl", "-lm", "-Wl,-z,relro,-z,now", "-Wl,--gc-sections",
      // oneDNN finds its OpenMP in the runtime (lib/Runtime/Threads.cpp).
      "-Wl,--export-dynamic-symbol=GOMP_*", "-Wl,--export-dynamic-symbol=omp_*", "-Wl,--build-id=none"};
  if (llvm::sys::findProgramByName("ld.lld-19") && StringRef(driver).contains("clang++-19"))
    args.push_back("-fuse-ld=lld");
#ifdef COLO_SANITIZE
  // The runtime of such a build needs what the sanitizers bring.
  args.push_back("-fsanitize=address,undefined");
#endif
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log), StringRef(log)};
  int code = llvm::sys::ExecuteAndWait(driver, args, std::nullopt, redirects, 0, 0, &message);
  if (code != 0) {
    message = "linking failed (" + driver + "):\n" + readAll(log) + message;
    return failure();
  }
  if (std::error_code error = llvm::sys::fs::rename(temporary, path)) {
    message = ("cannot write '" + path + "': " + error.message()).str();
    return failure();
  }
  removeTemporary.releaseFile();
  return success();
}
