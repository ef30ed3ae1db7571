//===- Arena.h - the one allocation of a rank --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parameters, gradients, optimizer state, workspace, inputs and the frame's
// small arrays of a rank are regions of one allocation of its device, each at a
// multiple of 256 bytes and zero at start; scratch memory of products is there
// where the device has no other. Nothing is allocated after start.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_ARENA_H
#define COLO_RUNTIME_ARENA_H

#include "colo/Runtime/Device.h"

#include <cstddef>
#include <cstdint>

namespace colo::runtime {

class Arena {
public:
  enum Region { Params, Copies, Grads, State, Workspace, Inputs, Staging, Frame, Scratch, RegionCount };
  static const char *name(int region);

  Arena() = default;
  Arena(const Arena &) = delete;

  /// Sizes in bytes; each is rounded up to 64.
  Status allocate(Device &device, const int64_t (&bytes)[RegionCount]);
  char *begin(Region region) const { return base + offsets[region]; }
  int64_t bytes(int region) const { return sizes[region]; }
  int64_t total() const { return offsets[RegionCount]; }

  /// Fills the workspace with a pattern that is a NaN as f32 and f64, so that
  /// what a run never writes can be told afterwards.
  void paintWorkspace();
  /// Bytes up to the last one that differs from the pattern.
  int64_t paintedHighWater() const;

private:
  Device *device = nullptr;
  char *base = nullptr;
  int64_t offsets[RegionCount + 1] = {}, sizes[RegionCount] = {};
};

/// `multiple` is a power of two.
inline int64_t roundTo(int64_t multiple, int64_t bytes) { return (bytes + multiple - 1) & -multiple; }
inline int64_t roundTo64(int64_t bytes) { return roundTo(64, bytes); }

} // namespace colo::runtime

#endif // COLO_RUNTIME_ARENA_H
