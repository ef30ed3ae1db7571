//===- Gather.cpp - what all ranks know, at rank 0 --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Gather.h"

namespace colo::runtime {

Status gather(Rank &rank, const std::string &own, std::vector<std::string> &all) {
  const CommProvider &provider = commProvider();
  ncclComm_t comm = rank.worldComm();
  uint64_t length = own.size();
  if (rank.index() != 0) {
    if (Status status = commStatus(provider.send(&length, 1, ncclUint64, 0, comm, nullptr)); status.failed())
      return status;
    return commStatus(provider.send(own.data(), length, ncclInt8, 0, comm, nullptr));
  }
  all.assign(1, own);
  for (int r = 1; r < rank.shared().world.ranks; ++r) {
    if (Status status = commStatus(provider.recv(&length, 1, ncclUint64, r, comm, nullptr)); status.failed())
      return status;
    std::string &other = all.emplace_back(length, '\0');
    if (Status status = commStatus(provider.recv(other.data(), length, ncclInt8, r, comm, nullptr)); status.failed())
      return status;
  }
  return Status::ok();
}

} // namespace colo::runtime
