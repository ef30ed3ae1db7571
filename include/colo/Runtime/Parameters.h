//===- Parameters.h - parameters by name, shard by shard ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor is one layer of a ColoParam. Its local shard is a dense row-major
// block; the functions here relate it to the logical tensor, which is what
// names, files and initial values see.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_PARAMETERS_H
#define COLO_RUNTIME_PARAMETERS_H

#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <functional>
#include <string>
#include <vector>

namespace colo::runtime {

struct Tensor {
  std::string name; ///< with the layer's number
  const ColoParam *param;
  int64_t offset; ///< elements, in the flat buffers
  int64_t localElements() const;
  int64_t logicalElements() const;
};

/// All tensors of a program, of all pipeline ranks, in table order, layers rising; copies (ColoParam.copy) included.
std::vector<Tensor> listTensors(const ColoProgram &program);

/// Calls row(local, logical, valid, length) for every run of the shard along its
/// last dim: elements [local, local + length) of the shard are elements
/// [logical, logical + valid) of the logical tensor, then padding.
using ShardRow = std::function<void(int64_t local, int64_t logical, int64_t valid, int64_t length)>;
void forEachShardRow(const ColoProgram &program, const ColoParam &param, const int64_t *coords, const ShardRow &row);

/// True if this rank's copy is the one that speaks for its shard: coordinate 0
/// on every axis that the parameter is replicated over.
bool ownsShard(const ColoProgram &program, const ColoParam &param, const int64_t *coords);

/// Writes the shard's initial values. They are functions of (seed, name,
/// logical index): the same model under every layout, f32 the rounded f64.
void initialize(const ColoProgram &program, const Tensor &tensor, uint64_t seed, const int64_t *coords, void *shard);

} // namespace colo::runtime

#endif // COLO_RUNTIME_PARAMETERS_H
