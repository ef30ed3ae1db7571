//===- Replicas.cpp - bitwise comparison of replicas -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Replicas.h.
//
//===----------------------------------------------------------------------===//

#include "Replicas.h"

#include <cstring>

namespace colo::runtime {

ReplicaCheck::ReplicaCheck(const Rank &rank) : rank(rank) {
  if (!rank.shared().options.checkReplicas)
    return;
  const World &world = rank.shared().world;
  own.resize(rank.tensors().size() * 2);
  all.resize(own.size() * world.ranks);
  for (int64_t r = 0; r < world.ranks; ++r)
    places.push_back(coordinatesOf(rank.program(), world, r));
}

static uint64_t hashBytes(const char *bytes, int64_t count) {
  uint64_t hash = 0x9E3779B97F4A7C15u ^ static_cast<uint64_t>(count);
  for (int64_t i = 0; i + 4 <= count; i += 4) {
    uint32_t word;
    std::memcpy(&word, bytes + i, 4);
    hash = (hash ^ word) * 0xFF51AFD7ED558CCDu;
    hash ^= hash >> 32;
  }
  return hash;
}

/// True if the tensor coordinates of both ranks name the same shard of `param`.
static bool sameCut(const ColoParam &param, const Coordinates &a, const Coordinates &b) {
  for (int32_t d = 0; d < param.rank; ++d)
    for (int32_t i = 0; i < param.dims[d].count; ++i)
      if (a.axes[param.dims[d].axis[i]] != b.axes[param.dims[d].axis[i]])
        return false;
  return true;
}

Status ReplicaCheck::compareTensor(size_t index, int64_t step) const {
  const std::vector<Tensor> &tensors = rank.tensors();
  const Tensor &tensor = tensors[index];
  // Against the same tensor of other ranks, and against its copies on other pipeline ranks.
  for (size_t other = index; other < tensors.size(); ++other) {
    if (tensors[other].name != tensor.name)
      continue;
    for (size_t a = 0; a < places.size(); ++a)
      for (size_t b = other == index ? a + 1 : 0; b < places.size(); ++b) {
        if (places[a].stage != tensor.param->stage || places[b].stage != tensors[other].param->stage ||
            !sameCut(*tensor.param, places[a], places[b]))
          continue;
        for (size_t which = 0; which < 2; ++which)
          if (all[a * own.size() + 2 * index + which] != all[b * own.size() + 2 * other + which])
            return Status::internal("step %lld: %s %s differs between rank %zu (%s) and rank %zu (%s)",
                                    static_cast<long long>(step) + 1, which ? "the gradient of" : "parameter",
                                    tensor.name.c_str(), a, describeCoordinates(rank.program(), places[a]).c_str(), b,
                                    describeCoordinates(rank.program(), places[b]).c_str());
      }
  }
  return Status::ok();
}

Status ReplicaCheck::compare(int64_t step) {
  const std::vector<Tensor> &tensors = rank.tensors();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!rank.holds(tensors[i]))
      continue;
    int64_t bytes = tensors[i].localElements() * typeSize(rank.program().dtype);
    HostView params(rank.device(), rank.shard(tensors[i], rank.frame().params), bytes, HostView::Reads);
    HostView grads(rank.device(), rank.shard(tensors[i], rank.frame().grads), bytes, HostView::Reads);
    own[2 * i] = hashBytes(params.data(), bytes);
    own[2 * i + 1] = hashBytes(grads.data(), bytes);
  }
  Status status =
      commStatus(commProvider().allGather(own.data(), all.data(), own.size(), ncclUint64, rank.worldComm(), nullptr));
  for (size_t i = 0; i < tensors.size() && !status.failed(); ++i)
    status = compareTensor(i, step);
  return status;
}

} // namespace colo::runtime
