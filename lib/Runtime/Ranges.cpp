//===- Ranges.cpp - names for profilers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Ranges.h. A tool's InitializeInjectionNvtx2 gets a function that gives tables
// of places, one a function of NVTX, and writes its functions there.
//
//===----------------------------------------------------------------------===//

#include "Ranges.h"
#include "Rank.h"

#include <cstdlib>
#include <dlfcn.h>
#include <mutex>

namespace colo::runtime {

int (*pushRangeFunction)(const char *) = nullptr;
int (*popRangeFunction)() = nullptr;

namespace nvtx {

using Function = void (*)();

/// Of every module; only two functions of the core are called.
static Function functions[kModules][kCoreFunctions];
static Function *places[kModules][kCoreFunctions];

static int getModuleFunctionTable(int module, FunctionTable *table, unsigned *size) {
  if (module < kCoreModule || module >= kModules)
    return 0;
  for (int i = 0; i < kCoreFunctions; ++i)
    places[module][i] = &functions[module][i];
  if (table)
    *table = places[module];
  if (size)
    *size = kCoreFunctions;
  return 1;
}

static const void *getExportTable(uint32_t which) {
  static const CallbackTable callbacks{sizeof(CallbackTable), getModuleFunctionTable};
  static const VersionTable version{sizeof(VersionTable), 3, 0, [](uint32_t) {}};
  if (which == kCallbackTable)
    return &callbacks;
  return which == kVersionTable ? &version : nullptr;
}

} // namespace nvtx

void startRanges() {
  static std::once_flag once;
  std::call_once(once, [] {
    const char *path = std::getenv("NVTX_INJECTION64_PATH");
    void *tool = path && *path ? dlopen(path, RTLD_LAZY) : nullptr;
    if (!tool)
      return;
    using Initialize = int (*)(const void *(*)(uint32_t));
    auto initialize = reinterpret_cast<Initialize>(dlsym(tool, "InitializeInjectionNvtx2"));
    if (!initialize || !initialize(nvtx::getExportTable))
      return;
    nvtx::Function *core = nvtx::functions[nvtx::kCoreModule];
    if (!core[nvtx::kRangePushA] || !core[nvtx::kRangePop])
      return;
    popRangeFunction = reinterpret_cast<int (*)()>(core[nvtx::kRangePop]);
    pushRangeFunction = reinterpret_cast<int (*)(const char *)>(core[nvtx::kRangePushA]);
  });
}

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" void colo_enter(ColoFrame *frame, const char *name, int64_t layer, int64_t row) {
  if (!hasRanges())
    return;
  const ColoProgram &program = static_cast<Rank *>(frame->runtime)->program();
  if (layer >= 0)
    return RangeScope::push(formatString("%s, layer %lld", name, static_cast<long long>(layer)));
  int64_t microBatch = (row - frame->firstRow) / program.microBatch;
  RangeScope::push(formatString("%s, micro-batch %lld", name, static_cast<long long>(microBatch)));
}

extern "C" void colo_leave(ColoFrame *) { popRange(); }
