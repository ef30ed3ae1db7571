//===- EmitPtx.cpp - gpu.func to PTX ---------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels take bare pointers. f32 functions are the polynomials that CPUs use,
// so that the emulator and a GPU compute alike; what is left comes from the
// toolkit's device library.
//
//===----------------------------------------------------------------------===//

#include "../Support/OptimizeModule.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Target/CUDA.h"
#include "colo/Target/ProgramTables.h"
#include "mlir/Conversion/ArithCommon/AttrToLLVMConverter.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/IPO/Internalize.h"

using namespace colo;
using namespace mlir;

static constexpr StringLiteral kTriple = "nvptx64-nvidia-cuda", kDevice = "sm_80", kFeatures = "+ptx80";

static std::unique_ptr<llvm::TargetMachine> createMachine(int optLevel, std::string &message) {
  LLVMInitializeNVPTXTargetInfo();
  LLVMInitializeNVPTXTarget();
  LLVMInitializeNVPTXTargetMC();
  LLVMInitializeNVPTXAsmPrinter();
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(kTriple, message);
  if (!target)
    return nullptr;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(kTriple, kDevice, kFeatures, options, llvm::Reloc::PIC_, std::nullopt,
                                  optLevel == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Aggressive));
}

/// The intrinsic of LLVM's that PTX has an instruction for; empty for functions of the device library.
static StringRef instructionFor(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<math::SqrtOp, math::RsqrtOp>([](auto) { return "llvm.sqrt"; })
      .Case<math::AbsFOp>([](auto) { return "llvm.fabs"; })
      .Case<math::FloorOp>([](auto) { return "llvm.floor"; })
      .Case<math::CeilOp>([](auto) { return "llvm.ceil"; })
      .Case<math::TruncOp>([](auto) { return "llvm.trunc"; })
      .Case<math::CopySignOp>([](auto) { return "llvm.copysign"; })
      .Default(StringRef());
}

/// The conversion to NVVM would take all functions from the device library, those of `llvm.intr` as well.
static void useInstructions(ModuleOp module) {
  module.walk([](Operation *op) {
    StringRef intrinsic = instructionFor(op);
    if (intrinsic.empty())
      return;
    OpBuilder b(op);
    arith::FastMathFlags flags = cast<arith::ArithFastMathInterface>(op).getFastMathFlagsAttr().getValue();
    auto same = LLVM::FastmathFlagsAttr::get(op->getContext(), arith::convertArithFastMathFlagsToLLVM(flags));
    Type type = op->getResult(0).getType();
    Value result =
        b.create<LLVM::CallIntrinsicOp>(op->getLoc(), type, b.getStringAttr(intrinsic), op->getOperands(), same)
            .getResult(0);
    if (isa<math::RsqrtOp>(op)) {
      Value one = b.create<arith::ConstantOp>(op->getLoc(), b.getFloatAttr(type, 1));
      result = b.create<arith::DivFOp>(op->getLoc(), one, result, flags);
    }
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  });
}

/// sm_80 rounds to bf16 by an instruction, where `kernel-math` would take ten.
static void roundByInstructions(ModuleOp module) {
  module.walk([](arith::TruncFOp op) {
    if (!op.getType().isBF16() || !op.getIn().getType().isF32())
      return;
    OpBuilder b(op);
    op.getResult().replaceAllUsesWith(b.create<LLVM::FPTruncOp>(op.getLoc(), op.getType(), op.getIn()).getResult());
    op.erase();
  });
}

/// The kernels alone, in the dialects of LLVM and NVVM.
static OwningOpRef<ModuleOp> lowerKernels(gpu::GPUModuleOp device) {
  MLIRContext *context = device.getContext();
  context->loadDialect<NVVM::NVVMDialect, LLVM::LLVMDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(device.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto kernels = cast<gpu::GPUModuleOp>(builder.clone(*device));
  // Of the characters in kernels' names PTX knows letters, digits and the underscore.
  for (auto kernel : llvm::make_early_inc_range(kernels.getOps<gpu::GPUFuncOp>()))
    kernel.setName(imageName(kernel.getName()));
  roundByInstructions(*module);
  PassManager pm(context);
  pm.addPass(createKernelMath());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  if (failed(pm.run(*module)))
    return nullptr;
  useInstructions(*module);
  pm.clear();
  pm.addPass(createConvertSCFToCFPass());
  ConvertGpuOpsToNVVMOpsOptions barePointers;
  barePointers.useBarePtrCallConv = true;
  OpPassManager &nested = pm.nest<gpu::GPUModuleOp>();
  nested.addPass(createConvertGpuOpsToNVVMOps(barePointers));
  nested.addPass(createCanonicalizerPass());
  nested.addPass(createCSEPass());
  // Behind the conversion that sends functions to the device library.
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(*module)))
    return nullptr;
  return module;
}

static std::string findDeviceLibrary() {
  std::optional<std::string> homes[] = {llvm::sys::Process::GetEnv("CUDA_HOME"),
                                        llvm::sys::Process::GetEnv("CUDA_PATH"), std::string("/usr/local/cuda")};
  for (const std::optional<std::string> &home : homes) {
    if (!home)
      continue;
    llvm::SmallString<128> path(*home);
    llvm::sys::path::append(path, "nvvm", "libdevice", "libdevice.10.bc");
    if (llvm::sys::fs::exists(path))
      return path.str().str();
  }
  return "";
}

/// Adds the functions of the device library that kernels call.
static LogicalResult linkDeviceLibrary(llvm::Module &module, const llvm::TargetMachine &machine, std::string &message) {
  llvm::StringRef called;
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && function.getName().starts_with("__nv_"))
      called = function.getName();
  if (called.empty())
    return success();
  std::string path = findDeviceLibrary();
  if (path.empty()) {
    message = ("kernels call '" + called +
               "' of CUDA's device library, which is not there: install the CUDA toolkit, or set CUDA_HOME to it")
                  .str();
    return failure();
  }
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer) {
    message = "cannot read '" + path + "': " + buffer.getError().message();
    return failure();
  }
  auto library = llvm::parseBitcodeFile(**buffer, module.getContext());
  if (!library) {
    message = "cannot read '" + path + "': " + llvm::toString(library.takeError());
    return failure();
  }
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(machine.createDataLayout());
  llvm::StringSet<> kernels;
  for (const llvm::Function &function : module)
    if (!function.isDeclaration())
      kernels.insert(function.getName());
  bool failed = llvm::Linker::linkModules(module, std::move(*library), llvm::Linker::LinkOnlyNeeded);
  if (failed) {
    message = "cannot link '" + path + "'";
    return failure();
  }
  llvm::internalizeModule(module, [&](const llvm::GlobalValue &value) { return kernels.contains(value.getName()); });
  return success();
}

LogicalResult colo::emitPtx(ModuleOp module, int optLevel, std::string &ptx, std::string &message) {
  auto device = module.lookupSymbol<gpu::GPUModuleOp>(rt::kKernelModule);
  if (!device) {
    message = "the program has no kernels";
    return failure();
  }
  OwningOpRef<ModuleOp> lowered = lowerKernels(device);
  if (!lowered) {
    message = "the kernels could not be lowered to NVVM";
    return failure();
  }
  MLIRContext &mlirContext = *module.getContext();
  registerBuiltinDialectTranslation(mlirContext);
  registerGPUDialectTranslation(mlirContext);
  registerLLVMDialectTranslation(mlirContext);
  registerNVVMDialectTranslation(mlirContext);
  llvm::LLVMContext context;
  auto kernels = *lowered->getOps<gpu::GPUModuleOp>().begin();
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(kernels, context, rt::kKernelModule);
  if (!llvmModule) {
    message = "the kernels could not be translated to LLVM IR";
    return failure();
  }
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(optLevel, message);
  if (!machine)
    return failure();
  llvmModule->setTargetTriple(machine->getTargetTriple().str());
  llvmModule->setDataLayout(machine->createDataLayout());
  if (failed(linkDeviceLibrary(*llvmModule, *machine, message)))
    return failure();
  optimizeModule(*llvmModule, *machine, optLevel);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream os(text);
  llvm::legacy::PassManager codeGen;
  if (machine->addPassesToEmitFile(codeGen, os, nullptr, llvm::CodeGenFileType::AssemblyFile)) {
    message = "this target cannot write PTX";
    return failure();
  }
  codeGen.run(*llvmModule);
  ptx = text.str().str();
  return success();
}
