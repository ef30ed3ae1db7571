//===- Driver.h - the CUDA driver -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What we use of libcuda.so.1, under its names. A result of 0 is success.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_DRIVER_H
#define COLO_LIB_RUNTIME_CUDA_DRIVER_H

#include "colo/Runtime/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace colo::runtime::cuda {

using Context = struct CUctx_st *;
using Module = struct CUmod_st *;
using Function = struct CUfunc_st *;
using CudaStream = struct CUstream_st *;
using CudaEvent = struct CUevent_st *;
using Graph = struct CUgraph_st *;
using GraphExec = struct CUgraphExec_st *;
using GraphNode = struct CUgraphNode_st *;
using Address = uint64_t;

enum { kMemoryClockKilohertz = 36, kMemoryBusBits = 37 };            // of cuDeviceGetAttribute
enum { kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76 }; // likewise
enum { kNonBlockingStream = 1 };                                     // of cuStreamCreate
enum { kEventWithTime = 0, kEventWithoutTime = 2 };                  // of cuEventCreate
enum { kThreadLocalCapture = 1 };                                    // of cuStreamBeginCapture

// NOLINTBEGIN(readability-identifier-naming): the library's names
struct Driver {
  int (*cuInit)(unsigned);
  int (*cuGetErrorName)(int, const char **);
  int (*cuGetErrorString)(int, const char **);
  int (*cuDeviceGetCount)(int *);
  int (*cuDeviceGet)(int *, int);
  int (*cuDeviceGetName)(char *, int, int);
  int (*cuDeviceGetAttribute)(int *, int, int);
  int (*cuDevicePrimaryCtxRetain)(Context *, int);
  int (*cuDevicePrimaryCtxRelease_v2)(int);
  int (*cuCtxSetCurrent)(Context);
  int (*cuCtxSynchronize)();
  int (*cuModuleLoadData)(Module *, const void *);
  int (*cuModuleUnload)(Module);
  int (*cuModuleGetFunction)(Function *, Module, const char *);
  int (*cuLaunchKernel)(Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CudaStream,
                        void **, void **);
  int (*cuMemAlloc_v2)(Address *, size_t);
  int (*cuMemFree_v2)(Address);
  int (*cuMemGetInfo_v2)(size_t *, size_t *);
  int (*cuMemAllocHost_v2)(void **, size_t);
  int (*cuMemFreeHost)(void *);
  int (*cuMemcpyHtoD_v2)(Address, const void *, size_t);
  int (*cuMemcpyDtoH_v2)(void *, Address, size_t);
  int (*cuMemcpyHtoDAsync_v2)(Address, const void *, size_t, CudaStream);
  int (*cuMemcpyDtoHAsync_v2)(void *, Address, size_t, CudaStream);
  int (*cuMemcpyDtoDAsync_v2)(Address, Address, size_t, CudaStream);
  int (*cuMemsetD8Async)(Address, unsigned char, size_t, CudaStream);
  int (*cuStreamCreate)(CudaStream *, unsigned);
  int (*cuStreamDestroy_v2)(CudaStream);
  int (*cuStreamSynchronize)(CudaStream);
  int (*cuStreamWriteValue32_v2)(CudaStream, Address, uint32_t, unsigned);
  int (*cuStreamWaitEvent)(CudaStream, CudaEvent, unsigned);
  int (*cuEventCreate)(CudaEvent *, unsigned);
  int (*cuEventDestroy_v2)(CudaEvent);
  int (*cuEventRecord)(CudaEvent, CudaStream);
  int (*cuEventElapsedTime)(float *, CudaEvent, CudaEvent);
  int (*cuLaunchHostFunc)(CudaStream, void (*)(void *), void *);
  int (*cuStreamBeginCapture_v2)(CudaStream, int);
  int (*cuStreamEndCapture)(CudaStream, Graph *);
  int (*cuGraphGetNodes)(Graph, GraphNode *, size_t *);
  int (*cuGraphDestroy)(Graph);
  int (*cuGraphInstantiateWithFlags)(GraphExec *, Graph, unsigned long long);
  int (*cuGraphUpload)(GraphExec, CudaStream);
  int (*cuGraphLaunch)(GraphExec, CudaStream);
  int (*cuGraphExecDestroy)(GraphExec);
};
// NOLINTEND(readability-identifier-naming)

/// Opens the library once in a process.
Status loadDriver();
/// The functions, once it is open.
const Driver &driver();
/// What a result means: "CUDA_ERROR_OUT_OF_MEMORY: out of memory".
std::string describeResult(int result);
/// Ends the process where a call failed; `where` is the model's op, or empty.
void check(int result, const char *call, const char *where = "");
/// What messages of the calling thread end with: what it is at when a call fails.
void setCheckHint(const char *hint);
const char *checkHint();

inline Address addressOf(const void *memory) { return reinterpret_cast<Address>(memory); }

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_DRIVER_H
