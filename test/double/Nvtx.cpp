//===- Nvtx.cpp - a profiler, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVTX_INJECTION64_PATH names this library. The ranges of the first thread that opens
// one go to the file COLO_DOUBLE_NVTX, indented; a range that is not closed or closed
// twice ends the process.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

struct Callbacks {
  size_t bytes;
  int (*getTable)(int module, void (****table)(), unsigned *size);
};

struct Log {
  FILE *file = fopen(std::getenv("COLO_DOUBLE_NVTX"), "we");
  std::thread::id owner = std::this_thread::get_id();
  ~Log() { fclose(file); }
};

Log &log() {
  static Log instance;
  return instance;
}

thread_local int depth = 0;

int push(const char *name) {
  if (log().owner == std::this_thread::get_id())
    fprintf(log().file, "%*s%s\n", 2 * depth, "", name);
  return depth++;
}

int pop() {
  if (depth-- > 0)
    return depth;
  fprintf(stderr, "nvtx double: a range is closed that was not opened\n");
  _Exit(86);
}

} // namespace

extern "C" __attribute__((visibility("default"))) int
InitializeInjectionNvtx2(const void *(*getExportTable)(uint32_t)) {
  const auto *callbacks = static_cast<const Callbacks *>(getExportTable(1));
  void (***table)() = nullptr;
  unsigned size = 0;
  if (!callbacks || callbacks->bytes < sizeof(Callbacks) || !callbacks->getTable(1, &table, &size) || size < 12)
    return 0;
  *table[9] = reinterpret_cast<void (*)()>(push);
  *table[11] = reinterpret_cast<void (*)()>(pop);
  return 1;
}
