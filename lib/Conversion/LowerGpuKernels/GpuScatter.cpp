//===- GpuScatter.cpp - rows added up by id -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block holds one row of the table, or some neighbours of a long one, and looks
// through all ids, a tile of one id a thread at a time. A warp's hits are the bits of a word; all threads then
// add the gradients' rows in the order of the ids, each its own features. So no
// element is written by two threads and every sum has the order of the ids, as
// on CPUs.
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace colo;

/// Most threads that look through ids, and the blocks that are enough: every block reads all ids.
static constexpr int64_t kScanThreads = 256, kEnoughBlocks = 1024;

static int64_t product(llvm::ArrayRef<int64_t> sizes) {
  int64_t all = 1;
  for (int64_t size : sizes)
    all *= size;
  return all;
}

static llvm::ArrayRef<int64_t> shapeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getShape(); }

Value GpuKernelEmitter::addressIn(llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<Value> indices) {
  Point point(indices.begin(), indices.end());
  return emitAffine(builder, kernel.getLoc(), addressOf(builder.getMultiDimIdentityMap(strides.size()), strides),
                    point);
}

void GpuKernelEmitter::eachFeature(Features body) {
  llvm::ArrayRef<int64_t> sizes = shapeOf(scatter.getResult()).drop_front();
  auto loop = builder.create<scf::ForOp>(kernel.getLoc(), gpu->thread(), constant(product(sizes)), constant(threads));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(loop.getBody()->getTerminator());
  body(digits(loop.getInductionVar(), sizes));
}

Value GpuKernelEmitter::rowOf(llvm::ArrayRef<Value> token) {
  Location loc = scatter.getLoc();
  const Storage ids = storage[scatter.getIds()];
  Value id = builder.create<memref::LoadOp>(loc, ids.memory, addressIn(ids.strides, token));
  id = builder.create<arith::IndexCastOp>(loc, builder.getIndexType(), id);
  return builder.create<arith::SubIOp>(loc, id, mapping.lookupOrDefault(scatter.getFirstRow()));
}

Value GpuKernelEmitter::findHits(Value token, Value first, Value count) {
  Location loc = scatter.getLoc();
  llvm::ArrayRef<int64_t> sizes = shapeOf(scatter.getIds());
  auto integer = [&](int64_t number) -> Value { return builder.create<arith::ConstantIntOp>(loc, number, 32); };
  Value there = gpu->isLess(token, product(sizes));
  Value safe = builder.create<arith::SelectOp>(loc, there, token, constant(0));
  Value place = builder.create<arith::SubIOp>(loc, rowOf(digits(safe, sizes)), first);
  Value hit = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, place, count);
  hit = builder.create<arith::AndIOp>(loc, hit, there);
  Value bit = builder.create<arith::ShLIOp>(loc, integer(1),
                                            builder.create<arith::IndexCastOp>(loc, builder.getI32Type(), lane));
  Value hits = builder.create<arith::SelectOp>(loc, hit, bit, integer(0));
  for (int64_t distance = kWarp / 2; distance > 0; distance /= 2) {
    auto other = builder.create<gpu::ShuffleOp>(loc, hits, integer(distance), integer(kWarp), gpu::ShuffleMode::XOR);
    hits = builder.create<arith::OrIOp>(loc, hits, other.getShuffleResult());
  }
  return hits;
}

void GpuKernelEmitter::addHits(Value hits, Value base) {
  Location loc = scatter.getLoc();
  const Storage gradient = storage[scatter.getGradient()];
  Value table = results[returned[scatter.getResult()]].memory;
  Type i32 = builder.getI32Type();
  auto loop = builder.create<scf::WhileOp>(loc, TypeRange{i32}, ValueRange{hits});
  OpBuilder::InsertionGuard guard(builder);
  Value left = builder.createBlock(&loop.getBefore(), {}, {i32}, {loc})->getArgument(0);
  Value zero = builder.create<arith::ConstantIntOp>(loc, 0, 32);
  Value some = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, left, zero);
  builder.create<scf::ConditionOp>(loc, some, ValueRange{left});
  left = builder.createBlock(&loop.getAfter(), {}, {i32}, {loc})->getArgument(0);
  Value first = builder.create<math::CountTrailingZerosOp>(loc, left);
  first = builder.create<arith::IndexCastUIOp>(loc, builder.getIndexType(), first);
  llvm::SmallVector<Value> source = digits(builder.create<arith::AddIOp>(loc, base, first), shapeOf(scatter.getIds()));
  llvm::SmallVector<Value> target{rowOf(source)};
  llvm::ArrayRef<int64_t> strides = results[returned[scatter.getResult()]].strides;
  eachFeature([&](llvm::ArrayRef<Value> feature) {
    llvm::SmallVector<Value> indices(source);
    llvm::append_range(indices, feature);
    Value value = builder.create<memref::LoadOp>(loc, gradient.memory, addressIn(gradient.strides, indices));
    value = convertFloat(builder, loc, value, getElementTypeOrSelf(scatter.getResult()));
    llvm::SmallVector<Value> place(target);
    llvm::append_range(place, feature);
    Value to = addressIn(strides, place);
    Value sum = builder.create<memref::LoadOp>(loc, table, to);
    sum = builder.create<arith::AddFOp>(loc, sum, value, kKernelFastMath);
    builder.create<memref::StoreOp>(loc, sum, table, to);
  });
  Value one = builder.create<arith::ConstantIntOp>(loc, 1, 32);
  Value fewer = builder.create<arith::AndIOp>(loc, left, builder.create<arith::SubIOp>(loc, left, one));
  builder.create<scf::YieldOp>(loc, ValueRange{fewer});
}

LogicalResult GpuKernelEmitter::emitScatter() {
  Location loc = scatter.getLoc();
  llvm::ArrayRef<int64_t> table = shapeOf(scatter.getResult());
  int64_t tokens = product(shapeOf(scatter.getIds()));
  const KernelPlace &place = results[returned[scatter.getResult()]];
  threads = std::clamp<int64_t>(llvm::PowerOf2Ceil(std::min(product(table.drop_front()), tokens)), kWarp, kScanThreads);
  int64_t rowsOfBlock = std::max<int64_t>(1, llvm::bit_floor(static_cast<uint64_t>(table.front() / kEnoughBlocks)));
  blocks = (table.front() + rowsOfBlock - 1) / rowsOfBlock;
  int64_t warps = threads / kWarp;
  Value firstRow = builder.create<arith::MulIOp>(loc, gpu->block(), constant(rowsOfBlock)),
        count = constant(rowsOfBlock);
  if (table.front() % rowsOfBlock != 0)
    count = builder.create<arith::MinUIOp>(loc, count,
                                           builder.create<arith::SubIOp>(loc, constant(table.front()), firstRow));
  if (!place.accumulate)
    forLoop(constant(0), count, [&](Value row) {
      eachFeature([&](llvm::ArrayRef<Value> feature) {
        llvm::SmallVector<Value> indices{builder.create<arith::AddIOp>(loc, firstRow, row)};
        llvm::append_range(indices, feature);
        Value zero =
            builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(getElementTypeOrSelf(scatter.getResult())));
        builder.create<memref::StoreOp>(loc, zero, place.memory, addressIn(place.strides, indices));
      });
    });
  Value warp = builder.create<arith::DivUIOp>(loc, gpu->thread(), constant(kWarp));
  lane = builder.create<arith::RemUIOp>(loc, gpu->thread(), constant(kWarp));
  // Two sets of words in turn, so that one barrier a tile is enough.
  Value found = gpu->shared(builder.getI32Type(), 2 * warps);
  auto sum = [&](Value a, Value b) -> Value { return builder.create<arith::AddIOp>(loc, a, b); };
  forLoop(constant(0), constant((tokens + threads - 1) / threads), [&](Value tile) {
    Value start = builder.create<arith::MulIOp>(loc, tile, constant(threads));
    Value hits = findHits(sum(start, gpu->thread()), firstRow, count);
    Value set = builder.create<arith::RemUIOp>(loc, tile, constant(2));
    set = builder.create<arith::MulIOp>(loc, set, constant(warps));
    gpu->where(gpu->isZero(lane), [&] { builder.create<memref::StoreOp>(loc, hits, found, sum(set, warp)); });
    gpu->barrier();
    forLoop(constant(0), constant(warps), [&](Value number) {
      Value word = builder.create<memref::LoadOp>(loc, found, sum(set, number));
      addHits(word, sum(start, builder.create<arith::MulIOp>(loc, number, constant(kWarp))));
    });
  });
  return success();
}
