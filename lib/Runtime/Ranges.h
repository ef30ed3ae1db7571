//===- Ranges.h - names for profilers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVTX ranges of the host: what it is at, by the model's names, as NVIDIA's tools
// show it above what the GPU does. A tool names its library in NVTX_INJECTION64_PATH,
// and it gives the functions; nothing of NVTX is needed to build or run. Without a
// tool a range is a look at one variable.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_RANGES_H
#define COLO_LIB_RUNTIME_RANGES_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace colo::runtime {

/// What NVTX and a tool agree on; compared with NVIDIA's headers where these are (test/unit/Cuda/AbiTest.cpp).
namespace nvtx {
enum { kCallbackTable = 1, kVersionTable = 3 };
enum { kCoreModule = 1, kModules = 7 };
enum { kRangePushA = 9, kRangePop = 11, kCoreFunctions = 16 };
using FunctionTable = void (***)();
struct CallbackTable {
  size_t bytes;
  int (*getModuleFunctionTable)(int module, FunctionTable *table, unsigned *size);
};
struct VersionTable {
  size_t bytes;
  uint32_t version, reserved;
  void (*setInjectionVersion)(uint32_t);
};
} // namespace nvtx

/// Asks the tool for its functions, once in a process.
void startRanges();

extern int (*pushRangeFunction)(const char *name);
extern int (*popRangeFunction)();

inline bool hasRanges() { return pushRangeFunction != nullptr; }
inline void popRange() {
  if (popRangeFunction)
    popRangeFunction();
}

/// A range to the end of the scope. `makeName` is called if a tool is there; it gives a std::string or a const char *.
class RangeScope {
public:
  template <typename MakeName> explicit RangeScope(MakeName makeName) : isOpen(hasRanges()) {
    if (isOpen)
      push(makeName());
  }
  ~RangeScope() {
    if (isOpen)
      popRange();
  }
  RangeScope(const RangeScope &) = delete;
  static void push(const std::string &name) { pushRangeFunction(name.c_str()); }

private:
  bool isOpen;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_RANGES_H
