//===- Gemm.h - matrix products of a program ---------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All matrix products of one rank, prepared at start: primitives and scratch
// memory are created once per descriptor, a call only executes. f32 goes to
// oneDNN, which has no f64 on CPUs; f64 goes to OpenBLAS on one thread.
//
// The same operands give the same bits. The prepared primitives belong to the
// thread that made them (oneDNN fixes the number of threads at creation).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_GEMM_H
#define COLO_RUNTIME_GEMM_H

#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <memory>
#include <vector>

namespace colo::runtime {

class GemmSet {
public:
  GemmSet();
  ~GemmSet();
  GemmSet(const GemmSet &) = delete;

  Status prepare(const ColoGemm *gemms, int64_t count);
  void run(int64_t gemm, const void *a, const void *b, void *c);

  /// Executions so far, per descriptor; flops of one execution.
  const std::vector<int64_t> &calls() const { return callCounts; }
  static int64_t flops(const ColoGemm &gemm);
  /// What executes descriptor `gemm`, e.g. "brg:avx512_core"; for --info.
  std::string implementation(int64_t gemm) const;
  /// Bytes of scratch memory shared by all descriptors.
  int64_t scratchBytes() const;
  /// While false, executions are not counted.
  bool counting = true;

private:
  struct Prepared;
  struct Engine;
  const ColoGemm *descriptors = nullptr;
  std::vector<std::unique_ptr<Prepared>> prepared;
  std::unique_ptr<Engine> engine;
  std::vector<int64_t> callCounts;
};

} // namespace colo::runtime

#endif // COLO_RUNTIME_GEMM_H
