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
#define COLO_IMPORT(NAME, ...) {#NAME, reinterpret_cast<void **>(&functions.NAME)},
    status = openLibrary({"libcuda.so.1"}, "the driver of the GPU", {COLO_DRIVER_FUNCTIONS(COLO_IMPORT)});
#undef COLO_IMPORT
    if (status.failed())
      return;
    if (int result = functions.cuInit(0))
      status = Status::usage("this program runs on NVIDIA GPUs, and their driver finds none: %s",
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

/// Results that speak of the machine: memory that others take, a GPU that others have or that is lost, its driver.
static bool isOfMachine(int result) {
  switch (result) {
  case 2:   // CUDA_ERROR_OUT_OF_MEMORY
  case 46:  // CUDA_ERROR_DEVICE_UNAVAILABLE
  case 100: // CUDA_ERROR_NO_DEVICE
  case 214: // CUDA_ERROR_ECC_UNCORRECTABLE
  case 220: // CUDA_ERROR_NVLINK_UNCORRECTABLE
  case 802: // CUDA_ERROR_SYSTEM_NOT_READY
  case 803: // CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
    return true;
  default:
    return false;
  }
}

void check(int result, const char *call, const char *where) {
  if (!result)
    return;
  std::string what =
      formatString("%s%s%s: %s%s", where, *where ? ": " : "", call, describeResult(result).c_str(), checkHint());
  failProcess(isOfMachine(result) ? Status::usage("%s", what.c_str()) : Status::internal("%s", what.c_str()));
}

} // namespace colo::runtime::cuda
