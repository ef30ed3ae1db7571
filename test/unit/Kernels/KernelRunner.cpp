//===- KernelRunner.cpp - runs colo functions as compiled kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelRunner.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Runtime/Emulator.h"
#include "colo/Target/CPU.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/TargetSelect.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace mlir;
using namespace colo;
using namespace colo::test;

/// Row-major with every dim's stride but the last one's padded.
static MemRefType layoutFor(RankedTensorType type, int64_t pad) {
  llvm::SmallVector<int64_t> strides(type.getRank(), 1);
  for (int64_t d = type.getRank() - 2; d >= 0; --d)
    strides[d] = strides[d + 1] * type.getDimSize(d + 1) + pad;
  return MemRefType::get(type.getShape(), type.getElementType(), StridedLayoutAttr::get(type.getContext(), 0, strides));
}

static void setLayouts(func::FuncOp kernel, const RunOptions &options) {
  llvm::SmallVector<Attribute> layouts, adds;
  OpBuilder builder(kernel);
  for (Type type : kernel.getArgumentTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      layouts.push_back(TypeAttr::get(layoutFor(tensor, options.pad)));
  auto inPlace = kernel->getAttrOfType<DenseI64ArrayAttr>(rt::kInPlaceAttr);
  for (auto [i, type] : llvm::enumerate(kernel.getResultTypes())) {
    layouts.push_back(TypeAttr::get(layoutFor(cast<RankedTensorType>(type), options.pad)));
    bool isMade = inPlace && inPlace[i] >= 0;
    adds.push_back(builder.getBoolAttr(options.accumulate && !isMade && isa<FloatType>(getElementTypeOrSelf(type))));
  }
  kernel->setAttr(rt::kLayoutsAttr, builder.getArrayAttr(layouts));
  kernel->setAttr(rt::kAccumulateAttr, builder.getArrayAttr(adds));
}

KernelRunner::KernelRunner(const std::string &text, RunOptions options) : options(options) {
  context.loadDialect<ColoDialect, dist::DistDialect, rt::RtDialect, affine::AffineDialect, arith::ArithDialect,
                      func::FuncDialect, gpu::GPUDialect, LLVM::LLVMDialect, linalg::LinalgDialect, math::MathDialect,
                      memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect, vector::VectorDialect>();
  original = parseSourceString<ModuleOp>(text, &context);
  if (!original) {
    ADD_FAILURE() << "does not parse: " << text;
    return;
  }
  if (options.onlyInterpret)
    return;
  formed = original->clone();
  PassManager form(&context);
  KernelPipelines target = options.gpu ? emulatedGpuKernelPipelines() : cpuKernelPipelines();
  form.addPass(createFormKernels({target.rowBytes, target.registers}));
  if (failed(form.run(*formed))) {
    ADD_FAILURE() << "form-kernels failed";
    return;
  }
  compile();
}

void KernelRunner::compile() {
  PassManager lower(&context), toLLVM(&context);
  lowered = formed->clone();
  host(*lowered).erase();
  for (auto mesh : llvm::make_early_inc_range(lowered->getOps<dist::MeshOp>()))
    mesh.erase();
  for (auto kernel : lowered->getOps<func::FuncOp>())
    setLayouts(kernel, options);
  KernelPipelines pipelines = options.gpu ? emulatedGpuKernelPipelines() : cpuKernelPipelines();
  pipelines.lower(lower);
  ASSERT_TRUE(succeeded(lower.run(*lowered)));
  OwningOpRef<ModuleOp> compiled = lowered->clone();
  pipelines.toLLVM(toLLVM);
  ASSERT_TRUE(succeeded(toLLVM.run(*compiled)));
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("kernels", "o", path));
  std::string message;
  ASSERT_TRUE(succeeded(emitObject(*compiled, TargetOptions(), path, message))) << message;
  auto object = llvm::MemoryBuffer::getFile(path);
  llvm::sys::fs::remove(path);
  auto created = llvm::orc::LLJITBuilder().create();
  ASSERT_TRUE(bool(created)) << llvm::toString(created.takeError());
  jit = std::move(*created);
  auto generator =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(jit->getDataLayout().getGlobalPrefix());
  jit->getMainJITDylib().addGenerator(llvm::cantFail(std::move(generator)));
  auto symbol = [](auto *function) {
    return llvm::orc::ExecutorSymbolDef(llvm::orc::ExecutorAddr::fromPtr(function), llvm::JITSymbolFlags::Exported);
  };
  llvm::orc::SymbolMap runtime{{jit->mangleAndIntern("colo_emulate"), symbol(colo_emulate)},
                               {jit->mangleAndIntern("colo_emulate_barrier"), symbol(colo_emulate_barrier)},
                               {jit->mangleAndIntern("colo_emulate_shuffle"), symbol(colo_emulate_shuffle)},
                               {jit->mangleAndIntern("colo_emulate_load_matrices"), symbol(colo_emulate_load_matrices)},
                               {jit->mangleAndIntern("colo_emulate_multiply"), symbol(colo_emulate_multiply)}};
  llvm::cantFail(jit->getMainJITDylib().define(llvm::orc::absoluteSymbols(runtime)));
  llvm::cantFail(jit->addObjectFile(std::move(*object)));
}

func::FuncOp KernelRunner::host(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>())
    if (!func->hasAttr(rt::kKernelAttr))
      return func;
  return nullptr;
}

int64_t KernelRunner::kernelCount() { return llvm::range_size(lowered->getOps<func::FuncOp>()); }

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// The nearest number of a type of floats.
static APFloat rounded(FloatType type, double value) {
  APFloat number(value);
  bool losesInfo;
  number.convert(type.getFloatSemantics(), APFloat::rmNearestTiesToEven, &losesInfo);
  return number;
}

static void put(char *memory, Type type, int64_t at, double value) {
  if (type.isBF16() || type.isF16())
    reinterpret_cast<uint16_t *>(memory)[at] = rounded(cast<FloatType>(type), value).bitcastToAPInt().getZExtValue();
  else if (type.isF32())
    reinterpret_cast<float *>(memory)[at] = static_cast<float>(value);
  else if (type.isF64())
    reinterpret_cast<double *>(memory)[at] = value;
  else if (type.isInteger(1))
    memory[at] = value != 0;
  else
    reinterpret_cast<int32_t *>(memory)[at] = static_cast<int32_t>(value);
}

static double get(const char *memory, Type type, int64_t at) {
  if (type.isBF16() || type.isF16()) {
    APFloat number(cast<FloatType>(type).getFloatSemantics(),
                   APInt(16, reinterpret_cast<const uint16_t *>(memory)[at]));
    return number.convertToDouble();
  }
  if (type.isF32())
    return reinterpret_cast<const float *>(memory)[at];
  if (type.isF64())
    return reinterpret_cast<const double *>(memory)[at];
  if (type.isInteger(1))
    return memory[at];
  return reinterpret_cast<const int32_t *>(memory)[at];
}

/// Address of element `i` in row-major order.
static int64_t addressOf(int64_t i, MemRefType type) {
  llvm::SmallVector<int64_t> strides;
  int64_t offset, address = 0;
  EXPECT_TRUE(succeeded(getStridesAndOffset(type, strides, offset)));
  Shape at = unravel(i, type.getShape());
  for (auto [index, stride] : llvm::zip(at, strides))
    address += index * stride;
  return address;
}

std::vector<Tensor> KernelRunner::launch(Operation *op, llvm::ArrayRef<Tensor> tensors,
                                         llvm::ArrayRef<int64_t> scalars) {
  auto launchOp = cast<rt::LaunchOp>(op);
  std::string name = launchOp.getKernel().str();
  auto entry = jit->lookup(name + ".entry");
  EXPECT_TRUE(bool(entry));
  auto kernel = lowered->lookupSymbol<func::FuncOp>(name);
  int64_t extent = kernel->getAttrOfType<IntegerAttr>(rt::kExtentAttr).getInt();
  std::vector<std::vector<double>> memory; // doubles for alignment
  std::vector<void *> slots;
  auto allocate = [&](MemRefType type, double fill) {
    memory.emplace_back(addressOf(type.getNumElements() - 1, type) + 1, 0.0);
    char *data = reinterpret_cast<char *>(memory.back().data());
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      put(data, type.getElementType(), addressOf(i, type), fill);
    slots.push_back(data);
    return data;
  };
  auto allocateWith = [&](const Tensor &tensor, Type tensorType) {
    auto type = layoutFor(cast<RankedTensorType>(tensorType), options.pad);
    char *data = allocate(type, 0);
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      put(data, type.getElementType(), addressOf(i, type), tensor[i]);
  };
  for (const auto &tensor : llvm::enumerate(tensors))
    if (OpOperand &operand = op->getOpOperand(tensor.index()); !madeInPlace(operand))
      allocateWith(tensor.value(), operand.get().getType());
  for (int64_t scalar : scalars)
    slots.push_back(reinterpret_cast<void *>(scalar));
  size_t first = slots.size();
  for (Value result : op->getResults())
    if (Value place = madeInPlaceOf(result))
      allocateWith(tensors[llvm::find(op->getOperands(), place) - op->operand_begin()], result.getType());
    else
      allocate(layoutFor(cast<RankedTensorType>(result.getType()), options.pad), 1.0);
  auto run = entry->toPtr<void (*)(void **, int64_t, int64_t)>();
  if (options.rowByRow)
    for (int64_t row = extent; row-- > 0;)
      run(slots.data(), row, row + 1);
  else
    run(slots.data(), 0, extent);
  std::vector<Tensor> results;
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    auto type = layoutFor(cast<RankedTensorType>(result.getType()), options.pad);
    double before = options.accumulate && !madeInPlaceOf(result) && isa<FloatType>(type.getElementType());
    results.push_back(emptyLike(result));
    for (int64_t j = 0; j < type.getNumElements(); ++j)
      results.back()[j] =
          get(static_cast<char *>(slots[first + i]), type.getElementType(), addressOf(j, type)) - before;
  }
  return results;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

static int64_t scalarOf(Operation *op, const Machine &machine) {
  if (auto axis = dyn_cast<rt::AxisIndexOp>(op)) {
    auto it = machine.axes.find(axis.getAxis().str());
    return it == machine.axes.end() ? 0 : it->second.index;
  }
  if (auto count = dyn_cast<rt::InverseCountOp>(op)) {
    double number = machine.inverseCounts.at(count.getTerm());
    int64_t bits;
    std::memcpy(&bits, &number, sizeof(bits));
    return bits;
  }
  StringRef name = cast<rt::ScalarOp>(op).getName();
  return name == "seed"        ? static_cast<int64_t>(machine.seed)
         : name == "step"      ? machine.step
         : name == "first_row" ? machine.firstRow
                               : 0;
}

std::vector<Tensor> KernelRunner::walk(ModuleOp module, llvm::ArrayRef<Tensor> inputs, const Machine &machine) {
  llvm::DenseMap<Value, Tensor> values;
  llvm::DenseMap<Value, int64_t> numbers;
  std::vector<Tensor> results, gradients;
  Block &block = host(module).getBody().front();
  for (auto [argument, input] : llvm::zip(block.getArguments(), inputs))
    values[argument] = input;
  for (Operation &op : block) {
    std::vector<Tensor> operands;
    std::vector<int64_t> scalars;
    for (Value operand : op.getOperands()) {
      if (isa<RankedTensorType>(operand.getType()))
        operands.push_back(values[operand]);
      else
        scalars.push_back(numbers[operand]);
    }
    if (isa<rt::AxisIndexOp, rt::ScalarOp, rt::InverseCountOp>(op)) {
      numbers[op.getResult(0)] = scalarOf(&op, machine);
      continue;
    }
    if (isa<func::ReturnOp>(op)) {
      results = operands;
      break;
    }
    if (isa<GradOp>(op)) {
      gradients.push_back(operands[0]);
      continue;
    }
    std::vector<Tensor> made =
        isa<rt::LaunchOp>(op) ? launch(&op, operands, scalars) : evaluate(&op, operands, machine, /*layer=*/0);
    for (auto [result, tensor] : llvm::zip(op.getResults(), made))
      values[result] = tensor;
  }
  results.insert(results.end(), gradients.begin(), gradients.end());
  return results;
}

std::vector<Tensor> KernelRunner::interpret(llvm::ArrayRef<Tensor> inputs, const Machine &machine) {
  return walk(*original, inputs, machine);
}

std::vector<Tensor> KernelRunner::run(llvm::ArrayRef<Tensor> inputs, const Machine &machine) {
  if (!jit)
    return {};
  return walk(*formed, inputs, machine);
}

Machine colo::test::testMachine() {
  Machine machine;
  machine.seed = 0x123456789abcdefull;
  machine.step = 3;
  machine.firstRow = 5;
  machine.inverseCounts[0] = 0.0625;
  machine.axes["tp"] = {1, 2};
  return machine;
}

std::vector<Tensor> colo::test::randomTensors(ArrayRef<Shape> shapes, std::mt19937 &engine, double bound) {
  std::uniform_real_distribution<double> real(-bound, bound);
  std::vector<Tensor> tensors;
  for (const Shape &shape : shapes) {
    tensors.emplace_back(shape);
    for (double &x : tensors.back().data)
      x = static_cast<float>(real(engine));
  }
  return tensors;
}

void colo::test::expectNear(ArrayRef<Tensor> found, ArrayRef<Tensor> expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t r = 0; r < expected.size(); ++r) {
    double scale = 1.0;
    for (double x : expected[r].data)
      scale = std::max(scale, std::fabs(x));
    ASSERT_EQ(found[r].size(), expected[r].size());
    for (int64_t i = 0; i < expected[r].size(); ++i)
      ASSERT_NEAR(found[r][i], expected[r][i], tolerance * scale) << "result " << r << ", element " << i;
  }
}
