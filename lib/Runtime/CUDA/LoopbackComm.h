//===- LoopbackComm.h - ranks that share GPUs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NCCL refuses two ranks on one GPU. This provider carries what ranks send through
// memory of the host and the provider of the hosts, so that every layout runs on one
// GPU. It is for checking results: the rank waits in each operation, and nothing
// overlaps.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_LOOPBACKCOMM_H
#define COLO_LIB_RUNTIME_CUDA_LOOPBACKCOMM_H

#include "colo/Runtime/Comm.h"

namespace colo::runtime::cuda {

const CommProvider *loopbackProvider();
/// The world of these hosts, which stay their owner's.
ncclComm_t makeLoopbackWorld(ncclComm_t hosts);

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_LOOPBACKCOMM_H
