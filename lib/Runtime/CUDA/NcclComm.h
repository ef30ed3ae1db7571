//===- NcclComm.h - NCCL as a provider -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// libnccl.so.2 behind the table of Comm.h. A world of one rank needs no library:
// what it sends itself is a copy.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H
#define COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H

#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Status.h"

namespace colo::runtime::cuda {

class Watchdog;

/// Opens the library once in a process.
Status loadNccl();
/// Why its operations cannot be captured, once it is open; empty: they can.
std::string whyNcclHasNoGraph();
const CommProvider *ncclProvider();
/// A world that uses the library; `watchdog`, which outlives it, watches what is called of it and of communicators
/// split from it.
ncclResult_t makeNcclWorld(const ncclUniqueId &id, int rank, int ranks, Watchdog &watchdog, ncclComm_t &world);
/// What NCCL found wrong with one of its own communicators, in words; empty: nothing.
std::string describeAsyncError(ncclComm_t handle);
/// A world of one rank, without the library.
ncclComm_t makeWorldOfOne();

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_NCCLCOMM_H
