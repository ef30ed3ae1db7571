//===- AbiTest.cpp - our declarations of NVIDIA's interfaces -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where the toolkit's headers are, numbers, sizes and the functions' parameters are
// compared when this is compiled.
//
//===----------------------------------------------------------------------===//

#include "CUDA/CublasLt.h"
#include "CUDA/Driver.h"
#include "Ranges.h"

#include <cstddef>
#include <cublasLt.h>
#include <cuda.h>
#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#endif
#include <type_traits>

namespace cuda = colo::runtime::cuda;

namespace {

/// Passed alike: both pointers, or both numbers of one size.
template <typename A, typename B>
constexpr bool alike = (std::is_pointer_v<A> && std::is_pointer_v<B>) ||
                       (!std::is_pointer_v<A> && !std::is_pointer_v<B> && sizeof(A) == sizeof(B));

template <typename Ours, typename Theirs> struct SameCall : std::false_type {};
template <typename R, typename... A, typename S, typename... B> struct SameCall<R (*)(A...), S (*)(B...)> {
  static constexpr bool compare() {
    if constexpr (sizeof...(A) == sizeof...(B))
      return alike<R, S> && (alike<A, B> && ...);
    return false;
  }
  static constexpr bool value = compare();
};

#define SAME(TABLE, NAME) static_assert(SameCall<decltype(cuda::TABLE::NAME), decltype(&::NAME)>::value)

SAME(Driver, cuInit);
SAME(Driver, cuGetErrorName);
SAME(Driver, cuGetErrorString);
SAME(Driver, cuDeviceGetCount);
SAME(Driver, cuDeviceGet);
SAME(Driver, cuDeviceGetName);
SAME(Driver, cuDeviceGetPCIBusId);
SAME(Driver, cuDeviceGetAttribute);
SAME(Driver, cuDevicePrimaryCtxRetain);
SAME(Driver, cuDevicePrimaryCtxRelease_v2);
SAME(Driver, cuCtxSetCurrent);
SAME(Driver, cuCtxSynchronize);
SAME(Driver, cuModuleLoadData);
SAME(Driver, cuModuleUnload);
SAME(Driver, cuModuleGetFunction);
SAME(Driver, cuLaunchKernel);
SAME(Driver, cuMemAlloc_v2);
SAME(Driver, cuMemFree_v2);
SAME(Driver, cuMemAllocHost_v2);
SAME(Driver, cuMemFreeHost);
SAME(Driver, cuMemcpyHtoD_v2);
SAME(Driver, cuMemcpyDtoH_v2);
SAME(Driver, cuMemcpyHtoDAsync_v2);
SAME(Driver, cuMemcpyDtoHAsync_v2);
SAME(Driver, cuMemcpyDtoDAsync_v2);
SAME(Driver, cuMemsetD8Async);
SAME(Driver, cuStreamCreate);
SAME(Driver, cuStreamDestroy_v2);
SAME(Driver, cuStreamSynchronize);
SAME(Driver, cuStreamWriteValue32_v2);
SAME(Driver, cuStreamWaitEvent);
SAME(Driver, cuEventCreate);
SAME(Driver, cuEventDestroy_v2);
SAME(Driver, cuEventRecord);
SAME(Driver, cuLaunchHostFunc);
SAME(Driver, cuMemGetInfo_v2);
SAME(Driver, cuStreamBeginCapture_v2);
SAME(Driver, cuStreamEndCapture);
SAME(Driver, cuGraphGetNodes);
SAME(Driver, cuGraphDestroy);
SAME(Driver, cuGraphInstantiateWithFlags);
SAME(Driver, cuGraphUpload);
SAME(Driver, cuGraphLaunch);
SAME(Driver, cuGraphExecDestroy);

// Its name stands for a later version's, which takes the same.
using Elapsed = decltype(&::cuEventElapsedTime);
#undef cuEventElapsedTime
static_assert(SameCall<decltype(cuda::Driver::cuEventElapsedTime), Elapsed>::value);

SAME(Lt, cublasLtCreate);
SAME(Lt, cublasLtDestroy);
SAME(Lt, cublasLtMatmulDescCreate);
SAME(Lt, cublasLtMatmulDescDestroy);
SAME(Lt, cublasLtMatmulDescSetAttribute);
SAME(Lt, cublasLtMatrixLayoutCreate);
SAME(Lt, cublasLtMatrixLayoutDestroy);
SAME(Lt, cublasLtMatrixLayoutSetAttribute);
SAME(Lt, cublasLtMatmulPreferenceCreate);
SAME(Lt, cublasLtMatmulPreferenceDestroy);
SAME(Lt, cublasLtMatmulPreferenceSetAttribute);
SAME(Lt, cublasLtMatmulAlgoGetHeuristic);
SAME(Lt, cublasLtMatmul);

static_assert(cuda::kMemoryClockKilohertz == CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE &&
              cuda::kMemoryBusBits == CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH &&
              cuda::kComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR &&
              cuda::kComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR &&
              cuda::kNonBlockingStream == CU_STREAM_NON_BLOCKING &&
              cuda::kThreadLocalCapture == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL &&
              cuda::kEventWithoutTime == CU_EVENT_DISABLE_TIMING && cuda::kEventWithTime == CU_EVENT_DEFAULT &&
              CUDA_SUCCESS == 0);
static_assert(cuda::kReal32 == CUDA_R_32F && cuda::kReal64 == CUDA_R_64F && cuda::kCompute32 == CUBLAS_COMPUTE_32F &&
              cuda::kCompute64 == CUBLAS_COMPUTE_64F && CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1);
static_assert(cuda::kTransposeA == CUBLASLT_MATMUL_DESC_TRANSA && cuda::kTransposeB == CUBLASLT_MATMUL_DESC_TRANSB &&
              cuda::kEpilogue == CUBLASLT_MATMUL_DESC_EPILOGUE && cuda::kBias == CUBLASLT_MATMUL_DESC_BIAS_POINTER &&
              cuda::kEpilogueNone == CUBLASLT_EPILOGUE_DEFAULT && cuda::kEpilogueBias == CUBLASLT_EPILOGUE_BIAS &&
              cuda::kEpilogueRelu == CUBLASLT_EPILOGUE_RELU && cuda::kEpilogueGelu == CUBLASLT_EPILOGUE_GELU &&
              (cuda::kEpilogueRelu | cuda::kEpilogueBias) == CUBLASLT_EPILOGUE_RELU_BIAS &&
              (cuda::kEpilogueGelu | cuda::kEpilogueBias) == CUBLASLT_EPILOGUE_GELU_BIAS &&
              (cuda::kEpilogueGelu | cuda::kEpilogueKeepArgument) == CUBLASLT_EPILOGUE_GELU_AUX &&
              (cuda::kEpilogueGelu | cuda::kEpilogueKeepArgument | cuda::kEpilogueBias) ==
                  CUBLASLT_EPILOGUE_GELU_AUX_BIAS &&
              cuda::kAux == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER &&
              cuda::kAuxLead == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD &&
              cuda::kAuxStride == CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE &&
              cuda::kEpilogueGeluGrad == CUBLASLT_EPILOGUE_DGELU && cuda::kEpilogueSumA == CUBLASLT_EPILOGUE_BGRADA &&
              cuda::kEpilogueSumB == CUBLASLT_EPILOGUE_BGRADB &&
              cuda::kBatchCount == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT &&
              cuda::kBatchStride == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET &&
              cuda::kMaxScratchBytes == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES &&
              cuda::kLeastAlignment == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES &&
              cuda::kLeastAlignment + 3 == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
static_assert(sizeof(cuda::Algorithm) == sizeof(cublasLtMatmulAlgo_t) &&
              sizeof(cuda::Heuristic) == sizeof(cublasLtMatmulHeuristicResult_t) &&
              offsetof(cuda::Heuristic, scratchBytes) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize) &&
              offsetof(cuda::Heuristic, state) == offsetof(cublasLtMatmulHeuristicResult_t, state));

#if __has_include(<nvtx3/nvToolsExt.h>)
namespace nvtx = colo::runtime::nvtx;
static_assert(nvtx::kCallbackTable == NVTX_ETID_CALLBACKS && nvtx::kVersionTable == NVTX_ETID_VERSIONINFO &&
              nvtx::kCoreModule == NVTX_CB_MODULE_CORE && nvtx::kModules == NVTX_CB_MODULE_SIZE &&
              nvtx::kRangePushA == NVTX_CBID_CORE_RangePushA && nvtx::kRangePop == NVTX_CBID_CORE_RangePop &&
              nvtx::kCoreFunctions == NVTX_CBID_CORE_SIZE && nvtx::kCoreFunctions >= NVTX_CBID_CORE2_SIZE);
static_assert(sizeof(nvtx::CallbackTable) == sizeof(NvtxExportTableCallbacks) &&
              sizeof(nvtx::VersionTable) == sizeof(NvtxExportTableVersionInfo) &&
              offsetof(nvtx::CallbackTable, getModuleFunctionTable) ==
                  offsetof(NvtxExportTableCallbacks, GetModuleFunctionTable) &&
              offsetof(nvtx::VersionTable, setInjectionVersion) ==
                  offsetof(NvtxExportTableVersionInfo, SetInjectionNvtxVersion));
static_assert(SameCall<decltype(nvtx::CallbackTable::getModuleFunctionTable),
                       decltype(NvtxExportTableCallbacks::GetModuleFunctionTable)>::value);
static_assert(SameCall<int (*)(const char *), decltype(&::nvtxRangePushA)>::value &&
              SameCall<int (*)(), decltype(&::nvtxRangePop)>::value);
#endif

} // namespace
