//===- EmitImage.cpp - kernels as a driver loads them -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tools are run with an argument vector, never through a shell.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Target/CUDA.h"
#include "colo/Target/ProgramTables.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace colo;
using namespace mlir;

/// Compute capabilities with machine code of their own.
static constexpr StringLiteral kArchitectures[] = {"80", "90"};

static std::string findTool(StringRef name) {
  auto inFolder = [&](StringRef home) -> std::string {
    llvm::SmallString<128> path(home);
    llvm::sys::path::append(path, "bin", name);
    return llvm::sys::fs::can_execute(path) ? path.str().str() : "";
  };
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (std::optional<std::string> home = llvm::sys::Process::GetEnv(variable))
      if (std::string path = inFolder(*home); !path.empty())
        return path;
  if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName(name))
    return *path;
  return inFolder("/usr/local/cuda");
}

namespace {
/// A folder of our own, which goes with what is in it.
class WorkFolder {
public:
  WorkFolder() { failed = bool(llvm::sys::fs::createUniqueDirectory("colo-image", folder)); }
  ~WorkFolder() {
    if (!failed)
      llvm::sys::fs::remove_directories(folder);
  }
  explicit operator bool() const { return !failed; }
  std::string file(const Twine &name) const {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, name);
    return path.str().str();
  }

private:
  llvm::SmallString<128> folder;
  bool failed = true;
};
} // namespace

static LogicalResult runTool(const std::string &tool, ArrayRef<std::string> arguments, const std::string &log,
                             std::string &message) {
  SmallVector<StringRef> words{tool};
  words.append(arguments.begin(), arguments.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log), StringRef(log)};
  if (llvm::sys::ExecuteAndWait(tool, words, std::nullopt, redirects, 0, 0, &message) == 0)
    return success();
  auto said = llvm::MemoryBuffer::getFile(log);
  message = tool + " failed: " + message + (said ? (*said)->getBuffer().rtrim().str() : "");
  return failure();
}

static LogicalResult writeText(const std::string &path, StringRef text, std::string &message) {
  std::error_code error;
  llvm::raw_fd_ostream file(path, error);
  if (!error)
    file << text;
  file.close();
  if (!error)
    error = file.error();
  file.clear_error();
  if (!error)
    return success();
  message = "cannot write '" + path + "': " + error.message();
  return failure();
}

static LogicalResult makeFatBinary(const std::string &ptxas, const std::string &fatbinary, StringRef ptx, int optLevel,
                                   std::string &image, std::string &message) {
  WorkFolder work;
  if (!work) {
    message = "cannot create a temporary folder";
    return failure();
  }
  std::string source = work.file("kernels.ptx"), log = work.file("log"), result = work.file("kernels.fatbin");
  if (failed(writeText(source, ptx, message)))
    return failure();
  // As text the PTX can be read back from an executable.
  SmallVector<std::string> parts{"--64", "--create=" + result, "--compress=false"};
  for (StringRef architecture : kArchitectures) {
    std::string code = work.file("sm_" + architecture);
    std::string level = "-O" + std::to_string(optLevel);
    if (failed(runTool(ptxas, {"-arch=sm_" + architecture.str(), level, source, "-o", code}, log, message)))
      return failure();
    parts.push_back(llvm::formatv("--image3=kind=elf,sm={0},file={1}", architecture, code));
  }
  parts.push_back(llvm::formatv("--image3=kind=ptx,sm={0},file={1}", kArchitectures[0], source));
  if (failed(runTool(fatbinary, parts, log, message)))
    return failure();
  auto made = llvm::MemoryBuffer::getFile(result);
  if (!made) {
    message = "cannot read '" + result + "': " + made.getError().message();
    return failure();
  }
  image = (*made)->getBuffer().str();
  return success();
}

LogicalResult colo::emitImage(StringRef ptx, int optLevel, std::string &image, std::string &remark,
                              std::string &message) {
  std::string ptxas = findTool("ptxas"), fatbinary = findTool("fatbinary");
  if (!ptxas.empty() && !fatbinary.empty()) {
    remark = "kernels are machine code for sm_80 and sm_90, and PTX for later GPUs, by " + ptxas;
    return makeFatBinary(ptxas, fatbinary, ptx, optLevel, image, message);
  }
  remark = "kernels are PTX, which the driver translates: ptxas and fatbinary are not in CUDA_HOME, CUDA_PATH, PATH or "
           "/usr/local/cuda";
  image = ptx.str() + '\0';
  return success();
}

void colo::embedImage(ModuleOp module, StringRef image) {
  SmallVector<Operation *> bodies;
  for (Operation &op : *module.getBody())
    if (isa<gpu::GPUModuleOp>(op) || (isa<func::FuncOp>(op) && op.hasAttr(rt::kKernelAttr)))
      bodies.push_back(&op);
  for (Operation *op : bodies)
    op->erase();
  if (auto declared = module.lookupSymbol<LLVM::GlobalOp>(kImageSymbol))
    declared.erase();
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), image.size());
  auto global = b.create<LLVM::GlobalOp>(module.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::External,
                                         kImageSymbol, b.getStringAttr(image), /*alignment=*/64);
  global.setVisibility_(LLVM::Visibility::Hidden);
}
