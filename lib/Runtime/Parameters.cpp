//===- Parameters.cpp - parameters by name, shard by shard -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Parameters.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Parameters.h"
#include "colo/Runtime/Philox.h"

#include <algorithm>
#include <cmath>

namespace colo::runtime {

static int64_t product(const int64_t *sizes, int32_t rank) {
  int64_t elements = 1;
  for (int32_t i = 0; i < rank; ++i)
    elements *= sizes[i];
  return elements;
}

int64_t Tensor::localElements() const { return product(param->local, param->rank); }
int64_t Tensor::logicalElements() const { return product(param->shape, param->rank); }

std::vector<Tensor> listTensors(const ColoProgram &program) {
  std::vector<Tensor> tensors;
  for (int64_t p = 0; p < program.paramCount; ++p) {
    const ColoParam &param = program.params[p];
    std::string pattern = param.name;
    size_t mark = pattern.find('#');
    for (int64_t layer = 0; layer < std::max<int64_t>(1, param.layers); ++layer) {
      std::string name = pattern;
      if (mark != std::string::npos)
        name.replace(mark, 1, std::to_string(param.firstLayer + layer));
      tensors.push_back({name, &param, param.offset + layer * param.layerStride});
    }
  }
  return tensors;
}

/// Where element `index` of a rank's part of a dim is in the whole.
static int64_t globalIndex(const ColoProgram &program, const ColoParam &param, int32_t d, const int64_t *coords,
                           int64_t index) {
  int64_t size = param.local[d];
  for (int32_t i = param.dims[d].count; i-- > 0;) {
    int32_t axis = param.dims[d].axis[i];
    int64_t n = program.axes[axis].size, half = size / 2;
    if (!program.axes[axis].zigzag)
      index += coords[axis] * size;
    else if (index < half)
      index += coords[axis] * half;
    else
      index += (2 * n - 2 - coords[axis]) * half;
    size *= n;
  }
  return index;
}

void forEachShardRow(const ColoProgram &program, const ColoParam &param, const int64_t *coords, const ShardRow &row) {
  if (param.rank == 0)
    return row(0, 0, 1, 1);
  int64_t index[COLO_MAX_RANK] = {};
  int32_t last = param.rank - 1;
  int64_t rows = product(param.local, last);
  auto globalOf = [&](int32_t d, int64_t local) { return globalIndex(program, param, d, coords, local); };
  // The last dim is one run, or of a zigzag axis several.
  struct Run {
    int64_t begin, end, start;
  };
  std::vector<Run> runs;
  for (int64_t i = 0; i < param.local[last]; ++i) {
    int64_t global = globalOf(last, i);
    if (runs.empty() || global != runs.back().start + i - runs.back().begin)
      runs.push_back({i, i, global});
    runs.back().end = i + 1;
  }
  for (int64_t r = 0; r < rows; ++r) {
    int64_t logical = 0;
    bool padding = false;
    for (int32_t d = 0; d < last; ++d) {
      int64_t global = globalOf(d, index[d]);
      padding |= global >= param.shape[d];
      logical = logical * param.shape[d] + global;
    }
    for (const Run &run : runs) {
      int64_t length = run.end - run.begin, inside = std::clamp<int64_t>(param.shape[last] - run.start, 0, length);
      row(r * param.local[last] + run.begin, logical * param.shape[last] + run.start, padding ? 0 : inside, length);
    }
    for (int32_t d = last - 1; d >= 0 && ++index[d] == param.local[d]; --d)
      index[d] = 0;
  }
}

bool ownsShard(const ColoProgram &program, const ColoParam &param, const int64_t *coords) {
  for (int32_t axis = 0; axis < program.axisCount; ++axis) {
    bool used = false;
    for (int32_t d = 0; d < param.rank; ++d)
      for (int32_t i = 0; i < param.dims[d].count; ++i)
        used |= param.dims[d].axis[i] == axis;
    if (!used && coords[axis] != 0)
      return false;
  }
  return true;
}

namespace {
/// Initial values of rising logical indices, four at a time.
class Initializer {
public:
  Initializer(const ColoParam &param, const std::string &name, uint64_t seed)
      : param(param), instance(hashName(name.c_str())), seed(seed) {}

  double value(uint64_t index) {
    if (param.init == COLO_INIT_ZEROS)
      return 0;
    if (param.init == COLO_INIT_ONES)
      return 1;
    if (param.init == COLO_INIT_CONSTANT)
      return param.initA;
    if (index / 4 != block) {
      block = index / 4;
      draw();
    }
    return values[index % 4];
  }

private:
  /// Normal: Box-Muller on the words (0, 1) for elements 0 and 1 of the block and
  /// (2, 3) for elements 2 and 3, the radius from a number in (0, 1].
  void draw() {
    PhiloxBlock random = randomBlock(seed, block, instance, initStep);
    for (int i = 0; i < 4; i += 2) {
      if (param.init == COLO_INIT_UNIFORM) {
        values[i] = param.initA + (param.initB - param.initA) * uniformFromWord(random.word[i]);
        values[i + 1] = param.initA + (param.initB - param.initA) * uniformFromWord(random.word[i + 1]);
        continue;
      }
      double radius = std::sqrt(-2 * std::log((random.word[i] + 1.0) * 0x1p-32));
      double angle = 2 * M_PI * (random.word[i + 1] * 0x1p-32);
      values[i] = param.initB + param.initA * (radius * std::cos(angle));
      values[i + 1] = param.initB + param.initA * (radius * std::sin(angle));
    }
  }

  const ColoParam &param;
  uint32_t instance;
  uint64_t seed, block = UINT64_MAX;
  double values[4] = {};
};

template <typename T>
void initializeShard(const ColoProgram &program, const Tensor &tensor, uint64_t seed, const int64_t *coords, T *shard) {
  Initializer initializer(*tensor.param, tensor.name, seed);
  forEachShardRow(program, *tensor.param, coords, [&](int64_t local, int64_t logical, int64_t valid, int64_t length) {
    for (int64_t i = 0; i < valid; ++i)
      shard[local + i] = static_cast<T>(initializer.value(logical + i));
    std::fill(shard + local + valid, shard + local + length, T(0));
  });
}
} // namespace

void initialize(const ColoProgram &program, const Tensor &tensor, uint64_t seed, const int64_t *coords, void *shard) {
  if (program.dtype == COLO_F32)
    initializeShard(program, tensor, seed, coords, static_cast<float *>(shard));
  else
    initializeShard(program, tensor, seed, coords, static_cast<double *>(shard));
}

} // namespace colo::runtime
