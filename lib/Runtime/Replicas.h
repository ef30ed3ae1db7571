//===- Replicas.h - bitwise comparison of replicas ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --check-replicas: after a step every parameter and every gradient must have
// the same bits on all ranks that hold the same shard of it, over data-parallel
// replicas and over every axis of replication. Ranks exchange a 64-bit hash per
// tensor.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_REPLICAS_H
#define COLO_LIB_RUNTIME_REPLICAS_H

#include "Rank.h"

namespace colo::runtime {

class ReplicaCheck {
public:
  explicit ReplicaCheck(const Rank &rank);
  /// All ranks call it; all return the same.
  Status compare(int64_t step);

private:
  Status compareTensor(size_t tensor, int64_t step) const;
  const Rank &rank;
  std::vector<uint64_t> own, all; ///< [tensor][parameter, gradient], per rank
  std::vector<Coordinates> places;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_REPLICAS_H
