//===- StepKernels.cpp - kernels of the optimizer step -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StepKernels.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace colo;

/// Of sums, as in all kernels: reordering is allowed, NaN and infinity keep their meaning.
static constexpr arith::FastMathFlags kFastMath = arith::FastMathFlags::reassoc | arith::FastMathFlags::nsz |
                                                  arith::FastMathFlags::arcp | arith::FastMathFlags::contract |
                                                  arith::FastMathFlags::afn;

static func::FuncOp createKernel(ModuleOp module, StringRef name, ArrayRef<Type> arguments, int64_t extent,
                                 int64_t grain) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  SmallVector<Type> types(arguments);
  types.append(2, builder.getIndexType());
  auto func = builder.create<func::FuncOp>(module.getLoc(), name, builder.getFunctionType(types, {}));
  func.setPrivate();
  func->setAttr(rt::kKernelAttr, builder.getUnitAttr());
  func->setAttr(rt::kExtentAttr, builder.getI64IntegerAttr(extent));
  func->setAttr(rt::kGrainAttr, builder.getI64IntegerAttr(grain));
  func.addEntryBlock();
  return func;
}

namespace {

/// Arithmetic of one element. Updates take no liberties: where a vector ends depends on what stands around a parameter
/// and on the threads, and copies of it on other ranks must stay equal bit by bit.
struct Scalars {
  OpBuilder &b;
  Location loc;
  Type type;
  bool exact = true;

  Value constant(double value) { return b.create<arith::ConstantOp>(loc, type, b.getFloatAttr(type, value)); }
  Value add(Value x, Value y) { return make<arith::AddFOp>(x, y); }
  Value sub(Value x, Value y) { return make<arith::SubFOp>(x, y); }
  Value mul(Value x, Value y) { return make<arith::MulFOp>(x, y); }
  Value div(Value x, Value y) { return make<arith::DivFOp>(x, y); }
  Value sqrt(Value x) { return make<math::SqrtOp>(x); }
  template <typename Op, typename... Operands> Value make(Operands... operands) {
    auto op = b.create<Op>(loc, operands..., exact ? arith::FastMathFlags::none : kFastMath);
    if (exact)
      op->setAttr(rt::kExactAttr, b.getUnitAttr());
    return op;
  }
  Value load(Value memref, Value i) { return b.create<memref::LoadOp>(loc, memref, i); }
  void store(Value value, Value memref, Value i) { b.create<memref::StoreOp>(loc, value, memref, i); }
  /// An f64 argument in the element type.
  Value narrow(Value wide) { return type.isF64() ? wide : b.create<arith::TruncFOp>(loc, type, wide).getResult(); }
};

} // namespace

func::FuncOp colo::createNormKernel(ModuleOp module, MemRefType flat, int64_t partials) {
  OpBuilder b(module.getContext());
  Location loc = module.getLoc();
  Type index = b.getIndexType();
  func::FuncOp kernel = createKernel(module, "optimizer.squares",
                                     {flat, index, index, index, MemRefType::get({partials}, b.getF64Type())},
                                     /*extent=*/1, /*grain=*/16);
  Block &body = kernel.getBody().front();
  b.setInsertionPointToStart(&body);
  Value gradients = body.getArgument(0), start = body.getArgument(1), stop = body.getArgument(2),
        first = body.getArgument(3), sums = body.getArgument(4);
  Value one = b.create<arith::ConstantIndexOp>(loc, 1), block = b.create<arith::ConstantIndexOp>(loc, kNormBlock);
  Value zero = b.create<arith::ConstantOp>(loc, b.getF64FloatAttr(0));
  auto rows = b.create<scf::ForOp>(loc, body.getArgument(5), body.getArgument(6), one);
  b.create<func::ReturnOp>(loc);
  b.setInsertionPointToStart(rows.getBody());
  Value row = rows.getInductionVar();
  Value begin = b.create<arith::AddIOp>(loc, start, b.create<arith::MulIOp>(loc, row, block));
  Value end = b.create<arith::MinSIOp>(loc, stop, b.create<arith::AddIOp>(loc, begin, block));
  auto sum = b.create<scf::ForOp>(loc, begin, end, one, ValueRange{zero},
                                  [&](OpBuilder &nested, Location at, Value i, ValueRange carried) {
                                    Scalars s{nested, at, nested.getF64Type(), /*exact=*/false};
                                    Value x = s.load(gradients, i);
                                    if (!x.getType().isF64())
                                      x = nested.create<arith::ExtFOp>(at, nested.getF64Type(), x);
                                    nested.create<scf::YieldOp>(at, s.add(carried.front(), s.mul(x, x)));
                                  });
  b.create<memref::StoreOp>(loc, sum.getResult(0), sums,
                            ValueRange{b.create<arith::AddIOp>(loc, first, row).getResult()});
  return kernel;
}

/// torch.optim.SGD's update of one element; the new parameter.
static Value updateSGD(Scalars s, const Training &settings, Value p, Value g, ArrayRef<Value> scalars,
                       ValueRange memory, Value i) {
  g = s.add(g, s.mul(scalars[1], p));
  if (settings.momentum != 0) {
    Value momentum = s.constant(settings.momentum);
    Value velocity = s.add(s.mul(momentum, s.load(memory[1], i)), s.mul(scalars[2], g));
    s.store(velocity, memory[1], i);
    g = settings.nesterov ? s.add(g, s.mul(momentum, velocity)) : velocity;
  }
  return s.sub(p, s.mul(scalars[0], g));
}

/// torch.optim.Adam's and AdamW's update of one element (1412.6980, 1711.05101).
static Value updateAdam(Scalars s, const Training &settings, Value p, Value g, ArrayRef<Value> scalars,
                        ValueRange memory, Value i) {
  if (settings.optimizer == "AdamW")
    p = s.mul(p, scalars[1]);
  else
    g = s.add(g, s.mul(scalars[1], p));
  Value m = s.add(s.mul(s.constant(settings.beta1), s.load(memory[1], i)), s.mul(s.constant(1 - settings.beta1), g));
  Value v = s.add(s.mul(s.constant(settings.beta2), s.load(memory[2], i)),
                  s.mul(s.constant(1 - settings.beta2), s.mul(g, g)));
  s.store(m, memory[1], i);
  s.store(v, memory[2], i);
  Value denominator = s.add(s.mul(s.sqrt(v), scalars[2]), s.constant(settings.eps));
  return s.sub(p, s.mul(scalars[0], s.div(m, denominator)));
}

func::FuncOp colo::createUpdateKernel(ModuleOp module, MemRefType flat, MemRefType copies, const Training &settings) {
  OpBuilder b(module.getContext());
  Location loc = module.getLoc();
  Type real = b.getF64Type();
  SmallVector<Type> types{flat, b.getIndexType(), real, real, real, real};
  types.append(1 + settings.stateBuffers(), flat);
  if (copies)
    types.push_back(copies);
  func::FuncOp kernel = createKernel(module, "optimizer.update", types, flat.getNumElements(), /*grain=*/8192);
  Block &body = kernel.getBody().front();
  b.setInsertionPointToStart(&body);
  Scalars outer{b, loc, flat.getElementType()};
  SmallVector<Value> scalars;
  for (unsigned i = 2; i < 6; ++i)
    scalars.push_back(outer.narrow(body.getArgument(i)));
  Value start = body.getArgument(1), gradients = body.getArgument(0);
  ValueRange memory = body.getArguments().drop_front(6).drop_back(2);
  unsigned count = body.getNumArguments();
  Value begin = b.create<arith::AddIOp>(loc, start, body.getArgument(count - 2));
  Value end = b.create<arith::AddIOp>(loc, start, body.getArgument(count - 1));
  auto loop = b.create<scf::ForOp>(loc, begin, end, b.create<arith::ConstantIndexOp>(loc, 1));
  b.create<func::ReturnOp>(loc);
  b.setInsertionPointToStart(loop.getBody());
  Scalars s{b, loc, flat.getElementType()};
  Value i = loop.getInductionVar();
  Value g = s.mul(s.load(gradients, i), scalars[0]), p = s.load(memory[0], i);
  ArrayRef<Value> rest = ArrayRef<Value>(scalars).drop_front();
  p = (settings.optimizer == "SGD" ? updateSGD : updateAdam)(s, settings, p, g, rest, memory, i);
  s.store(p, memory[0], i);
  if (copies)
    s.store(b.create<arith::TruncFOp>(loc, copies.getElementType(), p), memory.back(), i);
  return kernel;
}
