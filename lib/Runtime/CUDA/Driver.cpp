//===- Driver.cpp - the CUDA driver -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Driver.h.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Driver.h"
#include "CUDA/Library.h"

#include <mutex>

namespace colo::runtime::cuda {

static Driver functions;

Status loadDriver() {
  static std::once_flag once;
  static Status status;
  std::call_once(once, [] {
    status = openLibrary(
        {"libcuda.so.1"}, "the driver of the GPU",
        {{"cuInit", reinterpret_cast<void **>(&functions.cuInit)},
         {"cuGetErrorName", reinterpret_cast<void **>(&functions.cuGetErrorName)},
         {"cuGetErrorString", reinterpret_cast<void **>(&functions.cuGetErrorString)},
         {"cuDeviceGetCount", reinterpret_cast<void **>(&functions.cuDeviceGetCount)},
         {"cuDeviceGet", reinterpret_cast<void **>(&functions.cuDeviceGet)},
         {"cuDeviceGetName", reinterpret_cast<void **>(&functions.cuDeviceGetName)},
         {"cuDeviceGetAttribute", reinterpret_cast<void **>(&functions.cuDeviceGetAttribute)},
         {"cuDevicePrimaryCtxRetain", reinterpret_cast<void **>(&functions.cuDevicePrimaryCtxRetain)},
         {"cuDevicePrimaryCtxRelease_v2", reinterpret_cast<void **>(&functions.cuDevicePrimaryCtxRelease_v2)},
         {"cuCtxSetCurrent", reinterpret_cast<void **>(&functions.cuCtxSetCurrent)},
         {"cuCtxSynchronize", reinterpret_cast<void **>(&functions.cuCtxSynchronize)},
         {"cuModuleLoadData", reinterpret_cast<void **>(&functions.cuModuleLoadData)},
         {"cuModuleUnload", reinterpret_cast<void **>(&functions.cuModuleUnload)},
         {"cuModuleGetFunction", reinterpret_cast<void **>(&functions.cuModuleGetFunction)},
         {"cuLaunchKernel", reinterpret_cast<void **>(&functions.cuLaunchKernel)},
         {"cuMemAlloc_v2", reinterpret_cast<void **>(&functions.cuMemAlloc_v2)},
         {"cuMemFree_v2", reinterpret_cast<void **>(&functions.cuMemFree_v2)},
         {"cuMemGetInfo_v2", reinterpret_cast<void **>(&functions.cuMemGetInfo_v2)},
         {"cuMemAllocHost_v2", reinterpret_cast<void **>(&functions.cuMemAllocHost_v2)},
         {"cuMemFreeHost", reinterpret_cast<void **>(&functions.cuMemFreeHost)},
         {"cuMemcpyHtoD_v2", reinterpret_cast<void **>(&functions.cuMemcpyHtoD_v2)},
         {"cuMemcpyDtoH_v2", reinterpret_cast<void **>(&functions.cuMemcpyDtoH_v2)},
         {"cuMemcpyHtoDAsync_v2", reinterpret_cast<void **>(&functions.cuMemcpyHtoDAsync_v2)},
         {"cuMemcpyDtoHAsync_v2", reinterpret_cast<void **>(&functions.cuMemcpyDtoHAsync_v2)},
         {"cuMemcpyDtoDAsync_v2", reinterpret_cast<void **>(&functions.cuMemcpyDtoDAsync_v2)},
         {"cuMemsetD8Async", reinterpret_cast<void **>(&functions.cuMemsetD8Async)},
         {"cuStreamCreate", reinterpret_cast<void **>(&functions.cuStreamCreate)},
         {"cuStreamDestroy_v2", reinterpret_cast<void **>(&functions.cuStreamDestroy_v2)},
         {"cuStreamSynchronize", reinterpret_cast<void **>(&functions.cuStreamSynchronize)},
         {"cuStreamWriteValue32_v2", reinterpret_cast<void **>(&functions.cuStreamWriteValue32_v2)},
         {"cuStreamWaitEvent", reinterpret_cast<void **>(&functions.cuStreamWaitEvent)},
         {"cuEventCreate", reinterpret_cast<void **>(&functions.cuEventCreate)},
         {"cuEventDestroy_v2", reinterpret_cast<void **>(&functions.cuEventDestroy_v2)},
         {"cuEventRecord", reinterpret_cast<void **>(&functions.cuEventRecord)},
         {"cuEventElapsedTime", reinterpret_cast<void **>(&functions.cuEventElapsedTime)},
         {"cuLaunchHostFunc", reinterpret_cast<void **>(&functions.cuLaunchHostFunc)},
         {"cuStreamBeginCapture_v2", reinterpret_cast<void **>(&functions.cuStreamBeginCapture_v2)},
         {"cuStreamEndCapture", reinterpret_cast<void **>(&functions.cuStreamEndCapture)},
         {"cuGraphGetNodes", reinterpret_cast<void **>(&functions.cuGraphGetNodes)},
         {"cuGraphDestroy", reinterpret_cast<void **>(&functions.cuGraphDestroy)},
         {"cuGraphInstantiateWithFlags", reinterpret_cast<void **>(&functions.cuGraphInstantiateWithFlags)},
         {"cuGraphUpload", reinterpret_cast<void **>(&functions.cuGraphUpload)},
         {"cuGraphLaunch", reinterpret_cast<void **>(&functions.cuGraphLaunch)},
         {"cuGraphExecDestroy", reinterpret_cast<void **>(&functions.cuGraphExecDestroy)}});
    if (status.failed())
      return;
    if (int result = functions.cuInit(0))
      status = Status::user("this program runs on NVIDIA GPUs, and their driver finds none: %s",
                            describeResult(result).c_str());
  });
  return status;
}

const Driver &driver() { return functions; }

std::string describeResult(int result) {
  const char *name = nullptr, *text = nullptr;
  if (functions.cuGetErrorName(result, &name) || !name)
    return formatString("error %d", result);
  if (functions.cuGetErrorString(result, &text) || !text)
    return name;
  return formatString("%s: %s", name, text);
}

static thread_local const char *hintOfThread = "";
void setCheckHint(const char *hint) { hintOfThread = hint; }
const char *checkHint() { return hintOfThread; }

void check(int result, const char *call, const char *where) {
  if (result)
    failProcess(
        Status::internal("%s%s%s: %s%s", where, *where ? ": " : "", call, describeResult(result).c_str(), checkHint()));
}

} // namespace colo::runtime::cuda
