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
#include <limits>

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

/// The loop over a kernel's rows, and a builder inside it.
static scf::ForOp createRows(func::FuncOp kernel, OpBuilder &b) {
  Location loc = kernel.getLoc();
  Block &body = kernel.getBody().front();
  unsigned count = body.getNumArguments();
  b.setInsertionPointToStart(&body);
  auto rows = b.create<scf::ForOp>(loc, body.getArgument(count - 2), body.getArgument(count - 1),
                                   b.create<arith::ConstantIndexOp>(loc, 1));
  b.create<func::ReturnOp>(loc);
  b.setInsertionPointToStart(rows.getBody());
  return rows;
}

func::FuncOp colo::createInverseKernel(ModuleOp module, int64_t terms) {
  OpBuilder b(module.getContext());
  Location loc = module.getLoc();
  Type i64 = b.getI64Type(), f64 = b.getF64Type();
  func::FuncOp kernel =
      createKernel(module, "step.inverses", {MemRefType::get({terms}, i64), MemRefType::get({terms}, f64)},
                   /*extent=*/terms, /*grain=*/1024);
  Value row = createRows(kernel, b).getInductionVar();
  Scalars s{b, loc, f64};
  Value n = s.load(kernel.getArgument(0), row);
  Value none = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, n, b.create<arith::ConstantIntOp>(loc, 0, 64));
  Value inverse = s.div(s.constant(1), b.create<arith::SIToFPOp>(loc, f64, n));
  s.store(b.create<arith::SelectOp>(loc, none, s.constant(0), inverse), kernel.getArgument(1), row);
  return kernel;
}

func::FuncOp colo::createFactorsKernel(ModuleOp module, const Training &settings) {
  OpBuilder b(module.getContext());
  Location loc = module.getLoc();
  Type i64 = b.getI64Type(), f64 = b.getF64Type();
  bool scaled = settings.lossScale != 0;
  SmallVector<Type> types{f64, f64, f64, i64};
  if (scaled)
    types.push_back(f64);
  types.append({MemRefType::get({1}, f64), MemRefType::get({kUpdateFactors}, f64)});
  func::FuncOp kernel = createKernel(module, "optimizer.factors", types, /*extent=*/1, /*grain=*/1);
  createRows(kernel, b);
  Scalars s{b, loc, f64};
  Value total = kernel.getArgument(scaled ? 5 : 4), results = kernel.getArgument(scaled ? 6 : 5);
  Value lr = kernel.getArgument(0), one = s.constant(1), zero = b.create<arith::ConstantIndexOp>(loc, 0);
  Value norm = s.sqrt(s.load(total, zero)), clip = one;
  if (scaled)
    norm = s.div(norm, kernel.getArgument(4));
  if (settings.clipGradNorm != 0)
    clip = s.make<arith::MinimumFOp>(s.div(s.constant(settings.clipGradNorm), s.add(norm, s.constant(1e-6))), one);
  Value rate = lr, extra, decay = s.constant(settings.weightDecay), noDecay = s.constant(0);
  if (settings.optimizer == "SGD") {
    Value isFirst = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, kernel.getArgument(3),
                                            b.create<arith::ConstantIntOp>(loc, 0, 64));
    extra = b.create<arith::SelectOp>(loc, isFirst, one, s.constant(1 - settings.dampening));
  } else {
    rate = s.div(lr, kernel.getArgument(1));
    extra = s.div(one, s.sqrt(kernel.getArgument(2)));
  }
  if (settings.optimizer == "AdamW") {
    decay = s.sub(one, s.mul(lr, decay));
    noDecay = one;
  }
  s.store(norm, total, zero);
  SmallVector<std::pair<int64_t, Value>> factors{
      {kRateFactor, rate}, {kExtraFactor, extra}, {kDecayFactor, decay}, {kNoDecayFactor, noDecay}};
  if (scaled) {
    clip = s.div(clip, kernel.getArgument(4));
    Value isFinite =
        s.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, norm, s.constant(std::numeric_limits<double>::infinity()));
    factors.emplace_back(kApplyFactor, b.create<arith::SelectOp>(loc, isFinite, one, s.constant(0)));
  }
  factors.emplace_back(kClipFactor, clip);
  for (auto [place, factor] : factors)
    s.store(factor, results, b.create<arith::ConstantIndexOp>(loc, place));
  return kernel;
}

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
  SmallVector<Type> types{flat, b.getIndexType(), MemRefType::get({kUpdateFactors}, real), b.getIndexType()};
  types.append(1 + settings.stateBuffers(), flat);
  if (copies)
    types.push_back(copies);
  func::FuncOp kernel = createKernel(module, "optimizer.update", types, flat.getNumElements(), /*grain=*/8192);
  Block &body = kernel.getBody().front();
  b.setInsertionPointToStart(&body);
  Scalars outer{b, loc, flat.getElementType()};
  SmallVector<Value> scalars;
  auto at = [&](int64_t factor) -> Value { return b.create<arith::ConstantIndexOp>(loc, factor); };
  for (Value factor : {at(kClipFactor), at(kRateFactor), Value(body.getArgument(3)), at(kExtraFactor)})
    scalars.push_back(outer.narrow(outer.load(body.getArgument(2), factor)));
  Value start = body.getArgument(1), gradients = body.getArgument(0);
  ValueRange memory = body.getArguments().drop_front(4).drop_back(2);
  unsigned count = body.getNumArguments();
  Value begin = b.create<arith::AddIOp>(loc, start, body.getArgument(count - 2));
  Value end = b.create<arith::AddIOp>(loc, start, body.getArgument(count - 1));
  if (settings.lossScale != 0) {
    Scalars s{b, loc, real};
    Value applies =
        s.make<arith::CmpFOp>(arith::CmpFPredicate::ONE, s.load(body.getArgument(2), at(kApplyFactor)), s.constant(0));
    end = b.create<arith::SelectOp>(loc, applies, end, begin);
  }
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
