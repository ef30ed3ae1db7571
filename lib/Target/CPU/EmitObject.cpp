//===- EmitObject.cpp - LLVM IR to an object file --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels are scalar loops; LLVM vectorises them. What it needs for that: the
// CPU's features and the full vector width as function attributes, and a lower
// unrolling threshold than the default, which fully unrolls short row loops
// before they are vectorised (docs/kernels.md has the measurements).
//
//===----------------------------------------------------------------------===//

#include "../Support/OptimizeModule.h"
#include "colo/Target/CPU.h"
#include "colo/Target/ProgramTables.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

using namespace colo;
using namespace mlir;

static std::string cpuName(const TargetOptions &options) {
  return options.cpu == "native" ? llvm::sys::getHostCPUName().str() : options.cpu;
}

static std::string cpuFeatures(const TargetOptions &options) {
  if (options.cpu != "native")
    return "";
  llvm::SubtargetFeatures features;
  for (const auto &feature : llvm::sys::getHostCPUFeatures())
    features.AddFeature(feature.first(), feature.second);
  return features.getString();
}

static llvm::CodeGenOptLevel codeGenLevel(int level) {
  return level == 0   ? llvm::CodeGenOptLevel::None
         : level == 1 ? llvm::CodeGenOptLevel::Less
         : level == 2 ? llvm::CodeGenOptLevel::Default
                      : llvm::CodeGenOptLevel::Aggressive;
}

static std::unique_ptr<llvm::TargetMachine> createMachine(const TargetOptions &options, std::string &message) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  std::string triple = llvm::sys::getDefaultTargetTriple();
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target)
    return nullptr;
  llvm::TargetOptions llvmOptions;
  // Kernels allow contraction by their own fast-math flags; nothing else does.
  llvmOptions.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(
      target->createTargetMachine(triple, cpuName(options), cpuFeatures(options), llvmOptions, llvm::Reloc::PIC_,
                                  std::nullopt, codeGenLevel(options.optLevel)));
}

static void setFunctionAttributes(llvm::Module &module, const llvm::TargetMachine &machine) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    if (!machine.getTargetFeatureString().empty())
      function.addFnAttr("target-features", machine.getTargetFeatureString());
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

/// Defines the constant that names what of CpuFeatures.def the code may use.
static void defineCpuFeatures(llvm::Module &module, const llvm::TargetMachine &machine) {
  llvm::GlobalVariable *declared = module.getGlobalVariable(kCpuFeaturesSymbol);
  if (!declared)
    return;
  SmallVector<StringRef> features;
  for (StringRef name : {
#define COLO_CPU_FEATURE(NAME) StringRef(NAME),
#include "colo/Runtime/CpuFeatures.def"
       })
    if (machine.getMCSubtargetInfo()->checkFeatures(("+" + name).str()))
      features.push_back(name);
  auto *text = llvm::ConstantDataArray::getString(module.getContext(), llvm::join(features, ","));
  auto *defined = new llvm::GlobalVariable(module, text->getType(), /*isConstant=*/true,
                                           llvm::GlobalValue::InternalLinkage, text, kCpuFeaturesSymbol + ".text");
  declared->replaceAllUsesWith(defined);
  declared->eraseFromParent();
}

/// The threshold is an option of LLVM's command line only.
static void setUnrollThreshold(StringRef value) {
  auto &registered = llvm::cl::getRegisteredOptions();
  auto it = registered.find("unroll-threshold");
  if (it != registered.end() && it->second->getNumOccurrences() == 0)
    it->second->addOccurrence(1, "unroll-threshold", value);
}

static void optimise(llvm::Module &module, llvm::TargetMachine &machine, int level) {
  if (level == 0)
    return;
  setUnrollThreshold("50");
  llvm::PipelineTuningOptions tuning;
  tuning.LoopUnrolling = true;
  tuning.SLPVectorization = level > 1;
  tuning.LoopVectorization = level > 1;
  optimizeModule(module, machine, level, tuning);
}

LogicalResult colo::emitObject(ModuleOp module, const TargetOptions &options, StringRef path, std::string &message) {
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(module, context, "colo");
  if (!llvmModule) {
    message = "the program could not be translated to LLVM IR";
    return failure();
  }
  std::unique_ptr<llvm::TargetMachine> machine = createMachine(options, message);
  if (!machine)
    return failure();
  llvmModule->setTargetTriple(machine->getTargetTriple().str());
  llvmModule->setDataLayout(machine->createDataLayout());
  setFunctionAttributes(*llvmModule, *machine);
  defineCpuFeatures(*llvmModule, *machine);
  optimise(*llvmModule, *machine, options.optLevel);

  std::error_code error;
  llvm::ToolOutputFile file(path, error, llvm::sys::fs::OF_None);
  if (error) {
    message = ("cannot write '" + path + "': " + error.message()).str();
    return failure();
  }
  llvm::legacy::PassManager codeGen;
  if (machine->addPassesToEmitFile(codeGen, file.os(), nullptr, llvm::CodeGenFileType::ObjectFile)) {
    message = "this target cannot write object files";
    return failure();
  }
  codeGen.run(*llvmModule);
  file.keep();
  return success();
}
