//===- NcclComm.h - NCCL as a provider -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libnccl.so.2 behind the table of Comm.h. A communicator of one rank needs no
// library: what it sends itself is a copy.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H
#define COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H

#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Status.h"

namespace colo::runtime::cuda {

/// Opens the library once in a process.
Status loadNccl();
const CommProvider *ncclProvider();
/// A world of one rank.
ncclComm_t makeWorldOfOne();

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H
