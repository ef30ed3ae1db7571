//===- GpuMmaTiles.cpp - products of tiles by tensor cores -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuMmaTiles.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace colo;

/// Rows of A and of sums, columns of sums, and what a product sums over.
static constexpr int64_t kM = 16, kN = 8, kK = 16;
/// Of a 16-bit type, in 16 bytes.
static constexpr int64_t kWidth = 8;
/// Numbers that a thread can hold of the tiles of sums and of those of scores, beside all else. The gradient's kernels
/// of heads of more than 128 elements would spill all the same.
static constexpr int64_t kMostSums = 128, kMostScores = 32, kMostGradientSize = 128;

static int64_t paddedSize(int64_t size) { return llvm::alignTo(size, kK); }
static int64_t strideOf(int64_t size) { return paddedSize(size) + kWidth; }

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

namespace {
struct WarpShape {
  int64_t warps, rowTiles, other;
};
} // namespace

/// From much work a byte of shared memory that is read to little.
static constexpr WarpShape kShapes[] = {{4, 1, 64}, {4, 1, 32}, {4, 1, 16}, {2, 1, 32}, {2, 1, 16}, {1, 1, 16}};

bool MmaTiles::isPartial(const TileNeed &need, const TileShape &shape) {
  return need.size != paddedSize(need.size) || need.ownLength % shape.own() || need.otherLength % shape.other();
}

std::optional<TileShape> MmaTiles::choose(const TileNeed &need) {
  if (need.stored.getIntOrFloatBitWidth() != 16 || (need.scores > 1 && need.size > kMostGradientSize))
    return std::nullopt;
  auto fits = [&](const TileShape &shape) {
    int64_t others = shape.oneBuffer ? shape.other() : 2 * shape.other();
    return need.sums * shape.ownPer * paddedSize(need.size) / 4 <= kMostSums &&
           need.scores * shape.ownPer * shape.otherPer <=
               ((need.draws || need.scores > 1) && isPartial(need, shape) ? kMostScores / 2 : kMostScores) &&
           2 * (need.ownTiles * shape.own() + others) * strideOf(need.size) <= kSharedBytes;
  };
  // A tile of which half lies behind the end is no use.
  auto isTooLong = [](int64_t rows, int64_t least, int64_t length) { return rows > least && rows / 2 >= length; };
  for (bool oneBuffer : {false, true})
    for (const WarpShape &warp : kShapes) {
      TileShape shape{8 * warp.warps, 4, 2 * warp.rowTiles, warp.other / 4, oneBuffer};
      if (fits(shape) && !isTooLong(shape.own(), kM, need.ownLength) && !isTooLong(shape.other(), kK, need.otherLength))
        return shape;
    }
  return std::nullopt;
}

MmaTiles::MmaTiles(OpBuilder &builder, GpuFunction &gpu, Location loc, Type stored, int64_t size, TileShape shape)
    : TileEmitter(builder, gpu, loc, stored, size, shape) {
  groups = paddedSize(size) / kWidth;
  stride = strideOf(size);
  Value lane = rest(gpu.thread(), kWarp), warp = divide(gpu.thread(), kWarp);
  // Lanes 8 i to 8 i + 7 say where the rows of matrix i are.
  rowsPlace = sum(times(rest(lane, 16), stride), times(divide(lane, 16), 8));
  ownPlace = sum(times(warp, kM * (shape.ownPer / 2) * stride), rowsPlace);
  columnsPlace =
      sum(times(sum(rest(lane, 8), times(divide(lane, 16), 8)), stride), times(divide(rest(lane, 16), 8), 8));
}

llvm::SmallVector<Value> MmaTiles::ownIndices(Value first) {
  Value warp = divide(ownThread, 8), row = rest(ownThread, 8);
  Value start = sum(first, sum(times(warp, kM * (shape.ownPer / 2)), row));
  llvm::SmallVector<Value> all;
  for (int64_t r = 0; r < shape.ownPer; ++r)
    all.push_back(sum(start, constant(8 * r)));
  return all;
}

llvm::SmallVector<Value> MmaTiles::otherIndices(Value first) {
  Value start = sum(first, times(otherThread, 2));
  llvm::SmallVector<Value> all;
  for (int64_t c = 0; c < shape.otherPer; ++c)
    all.push_back(sum(start, constant(kN * (c / 2) + c % 2)));
  return all;
}

Value MmaTiles::sumStart(int64_t group) { return sum(times(otherThread, 2), constant(kN * group)); }

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

std::array<Value, 4> MmaTiles::loadMatrices(const Tile &tile, Value place, int64_t offset, bool isTransposed) {
  auto i64 = builder.getI64Type(), i32 = builder.getI32Type();
  Value start = builder.create<memref::ExtractAlignedPointerAsIndexOp>(loc, tile.memory);
  Value address = sum(sum(start, times(place, 2)), constant(2 * offset));
  address = builder.create<arith::IndexCastUIOp>(loc, i64, address);
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext(), NVVM::kSharedMemorySpace);
  Value row = builder.create<LLVM::IntToPtrOp>(loc, pointer, address);
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
  Value all = builder.create<NVVM::LdMatrixOp>(loc, type, row, /*num=*/4,
                                               isTransposed ? NVVM::MMALayout::col : NVVM::MMALayout::row);
  std::array<Value, 4> registers;
  for (int64_t i = 0; i < 4; ++i)
    registers[i] = builder.create<LLVM::ExtractValueOp>(loc, all, i);
  return registers;
}

void MmaTiles::multiply(llvm::ArrayRef<Value> left, llvm::ArrayRef<Value> right, llvm::MutableArrayRef<Value> totals,
                        size_t perRow, size_t at) {
  size_t places[] = {at, at + 1, at + perRow, at + perRow + 1};
  // Of f16 the intrinsic wants pairs, of bf16 integers.
  bool isBFloat = stored.isBF16();
  llvm::SmallVector<Value> operands;
  for (llvm::ArrayRef<Value> registers : {left, right})
    for (Value pair : registers)
      operands.push_back(isBFloat ? pair
                                  : builder.create<LLVM::BitcastOp>(loc, VectorType::get(2, stored), pair).getResult());
  for (size_t place : places)
    operands.push_back(totals[place]);
  auto type = LLVM::LLVMStructType::getLiteral(builder.getContext(), llvm::SmallVector<Type>(4, computed));
  Value made = builder
                   .create<LLVM::CallIntrinsicOp>(loc, type, builder.getStringAttr(isBFloat ? kMmaOfBf16 : kMmaOfF16),
                                                  operands, LLVM::FastmathFlagsAttr())
                   .getResult(0);
  for (auto [i, place] : llvm::enumerate(places))
    totals[place] = builder.create<LLVM::ExtractValueOp>(loc, made, i);
}

llvm::SmallVector<Value> MmaTiles::scores(const Tile &own, const Tile &other) {
  llvm::SmallVector<Value> all(shape.ownPer * shape.otherPer, number(0));
  for (int64_t k = 0; k < groups * width; k += kK)
    for (int64_t m = 0; m < shape.ownPer / 2; ++m) {
      std::array<Value, 4> left = loadMatrices(own, ownPlace, m * kM * stride + k, /*isTransposed=*/false);
      for (int64_t n = 0; n < shape.other(); n += 2 * kN) {
        std::array<Value, 4> right = loadMatrices(other, columnsPlace, n * stride + k, /*isTransposed=*/false);
        for (int64_t half = 0; half < 2; ++half)
          multiply(left, llvm::ArrayRef(right).slice(2 * half, 2), all, shape.otherPer,
                   2 * m * shape.otherPer + 2 * (n / kN + half));
      }
    }
  return all;
}

Value MmaTiles::factorOf(Value low, Value high) {
  auto i32 = builder.getI32Type();
  auto bits = [&](Value number) -> Value {
    Value narrow = builder.create<arith::TruncFOp>(loc, stored, number);
    return builder.create<arith::ExtUIOp>(loc, i32,
                                          builder.create<arith::BitcastOp>(loc, builder.getI16Type(), narrow));
  };
  Value lower = bits(low), upper = bits(high), sixteen = builder.create<arith::ConstantIntOp>(loc, 16, 32);
  return builder.create<arith::OrIOp>(loc, lower, builder.create<arith::ShLIOp>(loc, upper, sixteen));
}

/// Registers of A for each 16 rows, for each 16 columns.
llvm::SmallVector<Value> MmaTiles::putScores(const Tile &, llvm::ArrayRef<Value> values) {
  llvm::SmallVector<Value> all;
  for (int64_t m = 0; m < shape.ownPer; m += 2)
    for (int64_t k = 0; k < shape.otherPer; k += 4)
      for (int64_t i = 0; i < 4; ++i) {
        int64_t at = (m + i % 2) * shape.otherPer + k + i / 2 * 2;
        all.push_back(factorOf(values[at], values[at + 1]));
      }
  return all;
}

llvm::SmallVector<Value> MmaTiles::addProduct(const Tile &, llvm::ArrayRef<Value> inRegisters, const Tile &other,
                                              llvm::ArrayRef<Value> sums) {
  llvm::SmallVector<Value> totals(sums);
  int64_t perRow = sumGroups() * sumWidth(), steps = shape.other() / kK;
  for (int64_t step = 0; step < steps; ++step)
    for (int64_t n = 0; n < groups * width; n += 2 * kN) {
      std::array<Value, 4> right = loadMatrices(other, rowsPlace, step * kK * stride + n, /*isTransposed=*/true);
      for (int64_t m = 0; m < shape.ownPer / 2; ++m)
        for (int64_t half = 0; half < 2; ++half)
          multiply(inRegisters.slice(4 * (m * steps + step), 4), llvm::ArrayRef(right).slice(2 * half, 2), totals,
                   perRow, 2 * m * perRow + 2 * (n / kN + half));
    }
  return totals;
}
