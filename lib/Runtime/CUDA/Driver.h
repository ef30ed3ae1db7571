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

/// X(name, types of arguments…) for each function; all give an int.
#define COLO_DRIVER_FUNCTIONS(X)                                                                                       \
  X(cuInit, unsigned)                                                                                                  \
  X(cuGetErrorName, int, const char **)                                                                                \
  X(cuGetErrorString, int, const char **)                                                                              \
  X(cuDeviceGetCount, int *)                                                                                           \
  X(cuDeviceGet, int *, int)                                                                                           \
  X(cuDeviceGetName, char *, int, int)                                                                                 \
  X(cuDeviceGetPCIBusId, char *, int, int)                                                                             \
  X(cuDeviceGetAttribute, int *, int, int)                                                                             \
  X(cuDevicePrimaryCtxRetain, Context *, int)                                                                          \
  X(cuDevicePrimaryCtxRelease_v2, int)                                                                                 \
  X(cuCtxSetCurrent, Context)                                                                                          \
  X(cuCtxSynchronize)                                                                                                  \
  X(cuModuleLoadData, Module *, const void *)                                                                          \
  X(cuModuleUnload, Module)                                                                                            \
  X(cuModuleGetFunction, Function *, Module, const char *)                                                             \
  X(cuLaunchKernel, Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CudaStream,        \
    void **, void **)                                                                                                  \
  X(cuMemAlloc_v2, Address *, size_t)                                                                                  \
  X(cuMemFree_v2, Address)                                                                                             \
  X(cuMemGetInfo_v2, size_t *, size_t *)                                                                               \
  X(cuMemAllocHost_v2, void **, size_t)                                                                                \
  X(cuMemFreeHost, void *)                                                                                             \
  X(cuMemcpyHtoD_v2, Address, const void *, size_t)                                                                    \
  X(cuMemcpyDtoH_v2, void *, Address, size_t)                                                                          \
  X(cuMemcpyHtoDAsync_v2, Address, const void *, size_t, CudaStream)                                                   \
  X(cuMemcpyDtoHAsync_v2, void *, Address, size_t, CudaStream)                                                         \
  X(cuMemcpyDtoDAsync_v2, Address, Address, size_t, CudaStream)                                                        \
  X(cuMemsetD8Async, Address, unsigned char, size_t, CudaStream)                                                       \
  X(cuStreamCreate, CudaStream *, unsigned)                                                                            \
  X(cuStreamDestroy_v2, CudaStream)                                                                                    \
  X(cuStreamSynchronize, CudaStream)                                                                                   \
  X(cuStreamWriteValue32_v2, CudaStream, Address, uint32_t, unsigned)                                                  \
  X(cuStreamWaitEvent, CudaStream, CudaEvent, unsigned)                                                                \
  X(cuEventCreate, CudaEvent *, unsigned)                                                                              \
  X(cuEventDestroy_v2, CudaEvent)                                                                                      \
  X(cuEventRecord, CudaEvent, CudaStream)                                                                              \
  X(cuEventElapsedTime, float *, CudaEvent, CudaEvent)                                                                 \
  X(cuLaunchHostFunc, CudaStream, void (*)(void *), void *)                                                            \
  X(cuStreamBeginCapture_v2, CudaStream, int)                                                                          \
  X(cuStreamEndCapture, CudaStream, Graph *)                                                                           \
  X(cuGraphGetNodes, Graph, GraphNode *, size_t *)                                                                     \
  X(cuGraphDestroy, Graph)                                                                                             \
  X(cuGraphInstantiateWithFlags, GraphExec *, Graph, unsigned long long)                                               \
  X(cuGraphUpload, GraphExec, CudaStream)                                                                              \
  X(cuGraphLaunch, GraphExec, CudaStream)                                                                              \
  X(cuGraphExecDestroy, GraphExec)

struct Driver {
#define COLO_DECLARE(NAME, ...) int (*NAME)(__VA_ARGS__); // NOLINT(readability-identifier-naming): the library's name
  COLO_DRIVER_FUNCTIONS(COLO_DECLARE)
#undef COLO_DECLARE
};

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
