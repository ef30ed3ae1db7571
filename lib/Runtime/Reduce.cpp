//===- Reduce.cpp - element-wise folds in rank order -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Reduce.h. Integer sums and products wrap.
//
//===----------------------------------------------------------------------===//

#include "Reduce.h"
#include "Half.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace colo::runtime {
namespace {

/// Integers as unsigned, so that overflow wraps.
template <typename T, bool = std::is_integral<T>::value> struct Wrapping {
  using type = T;
};
template <typename T> struct Wrapping<T, true> {
  using type = std::make_unsigned_t<T>;
};

struct Sum {
  template <typename T> static T apply(T a, T b) {
    using W = typename Wrapping<T>::type;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(b));
  }
};
struct Prod {
  template <typename T> static T apply(T a, T b) {
    if constexpr (std::is_integral<T>::value)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else
      return a * b;
  }
};
// A NaN on any rank is the result, whichever rank has it.
struct Max {
  template <typename T> static T apply(T a, T b) { return a > b || a != a ? a : b; }
};
struct Min {
  template <typename T> static T apply(T a, T b) { return a < b || a != a ? a : b; }
};

/// What holds while a fold runs over its elements.
struct Operands {
  const void *const *sources;
  int sourceCount;
  void *const *targets;
  int targetCount;
  bool average;
};

/// Elements [at, at + count) of all sources, through `sum` to all targets.
template <typename T, typename Op> void foldElements(const Operands &operands, size_t at, size_t count, T *sum) {
  using Wide = std::conditional_t<std::is_floating_point<T>::value, T,
                                  std::conditional_t<std::is_signed<T>::value, int64_t, uint64_t>>;
  std::memcpy(sum, static_cast<const T *>(operands.sources[0]) + at, count * sizeof(T));
  for (int s = 1; s < operands.sourceCount; ++s) {
    const T *source = static_cast<const T *>(operands.sources[s]) + at;
    for (size_t i = 0; i < count; ++i)
      sum[i] = Op::template apply<T>(sum[i], source[i]);
  }
  if (operands.average)
    for (size_t i = 0; i < count; ++i)
      sum[i] = static_cast<T>(static_cast<Wide>(sum[i]) / static_cast<Wide>(operands.sourceCount));
  for (int t = 0; t < operands.targetCount; ++t)
    std::memcpy(static_cast<T *>(operands.targets[t]) + at, sum, count * sizeof(T));
}

/// Of few buffers one line of the cache at a time: the sum lies in registers, so nothing is read or written twice.
/// Many buffers at the same offset of their pages would drive each other's lines out of the first-level cache; they
/// go through a block on the stack, one after the other.
template <typename T, typename Op> void fold(const Operands &operands, size_t begin, size_t end) {
  constexpr size_t line = 64 / sizeof(T), block = 16384 / sizeof(T);
  constexpr int few = 8;
  T sum[block];
  size_t at = begin;
  if (operands.sourceCount <= few && operands.targetCount <= few) {
    size_t beforeLine = -(reinterpret_cast<uintptr_t>(operands.sources[0]) / sizeof(T) + begin) % line;
    if (size_t count = std::min(beforeLine, end - begin)) {
      foldElements<T, Op>(operands, begin, count, sum);
      at += count;
    }
    for (; at + line <= end; at += line) {
      T registers[line];
      foldElements<T, Op>(operands, at, line, registers);
    }
  }
  for (; at < end; at += block)
    foldElements<T, Op>(operands, at, std::min(block, end - at), sum);
}

template <typename T> constexpr bool isNarrow = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;

/// Elements of 16 bits are added up as f32 and rounded once.
template <typename T, typename Op> void foldNarrow(const Operands &operands, size_t begin, size_t end) {
  constexpr size_t block = 1024;
  float sum[block];
  for (size_t at = begin; at < end; at += block) {
    size_t count = std::min(block, end - at);
    for (int s = 0; s < operands.sourceCount; ++s) {
      const T *source = static_cast<const T *>(operands.sources[s]) + at;
      for (size_t i = 0; i < count; ++i)
        sum[i] = s ? Op::template apply<float>(sum[i], static_cast<float>(source[i])) : static_cast<float>(source[i]);
    }
    T narrow[block];
    for (size_t i = 0; i < count; ++i)
      narrow[i] = T(operands.average ? sum[i] / static_cast<float>(operands.sourceCount) : sum[i]);
    for (int t = 0; t < operands.targetCount; ++t)
      std::memcpy(static_cast<T *>(operands.targets[t]) + at, narrow, count * sizeof(T));
  }
}

template <typename T, typename Op> void foldAny(const Operands &operands, size_t begin, size_t end) {
  if constexpr (isNarrow<T>)
    foldNarrow<T, Op>(operands, begin, end);
  else
    fold<T, Op>(operands, begin, end);
}

template <typename T>
bool foldType(const void *const *sources, int sourceCount, void *const *targets, int targetCount, size_t begin,
              size_t end, ncclRedOp_t op) {
  switch (op) {
  case ncclSum:
  case ncclAvg:
    foldAny<T, Sum>({sources, sourceCount, targets, targetCount, op == ncclAvg}, begin, end);
    return true;
  case ncclProd:
    foldAny<T, Prod>({sources, sourceCount, targets, targetCount, false}, begin, end);
    return true;
  case ncclMax:
    foldAny<T, Max>({sources, sourceCount, targets, targetCount, false}, begin, end);
    return true;
  case ncclMin:
    foldAny<T, Min>({sources, sourceCount, targets, targetCount, false}, begin, end);
    return true;
  default:
    return false;
  }
}

} // namespace

bool foldInRankOrder(const void *const *sources, int sourceCount, void *const *targets, int targetCount, size_t begin,
                     size_t end, ncclDataType_t type, ncclRedOp_t op) {
  switch (type) {
  case ncclInt8:
    return foldType<int8_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclUint8:
    return foldType<uint8_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclInt32:
    return foldType<int32_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclUint32:
    return foldType<uint32_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclInt64:
    return foldType<int64_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclUint64:
    return foldType<uint64_t>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclBfloat16:
    return foldType<BFloat16>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclFloat16:
    return foldType<Float16>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclFloat32:
    return foldType<float>(sources, sourceCount, targets, targetCount, begin, end, op);
  case ncclFloat64:
    return foldType<double>(sources, sourceCount, targets, targetCount, begin, end, op);
  default:
    return false;
  }
}

} // namespace colo::runtime
