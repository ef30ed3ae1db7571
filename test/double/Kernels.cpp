//===- Kernels.cpp - modules and launches -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The PTX says which kernels there are and what they take. Their bodies come from
// the emulator's object.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <unistd.h>
#include <vector>

using namespace colo_double;

using Entry = void (*)(void **arguments, int64_t begin, int64_t end);

struct CUfunc_st {
  std::string name;
  size_t arguments = 0;
  long threads = 0; ///< of a block, where the PTX says
  Entry entry = nullptr;
};

struct CUmod_st {
  std::map<std::string, CUfunc_st> kernels;
};

/// The PTX in an image: all of it, or a part of a fat binary.
static std::string findPtx(const void *image) {
  constexpr uint32_t fatBinary = 0xBA55ED50;
  uint32_t magic = 0;
  std::memcpy(&magic, image, 4);
  const auto *bytes = static_cast<const char *>(image);
  if (magic != fatBinary)
    return bytes;
  uint16_t header = 0;
  uint64_t size = 0;
  std::memcpy(&header, bytes + 6, 2);
  std::memcpy(&size, bytes + 8, 8);
  std::string all(bytes, header + size);
  size_t start = all.find("\n.version ");
  return start == std::string::npos ? "" : all.substr(start).c_str();
}

static long numberAfter(const std::string &text, const std::string &word) {
  size_t at = text.find(word);
  return at == std::string::npos ? 0 : std::atol(text.c_str() + at + word.size());
}

static void readKernels(const std::string &ptx, CUmod_st &module) {
  const std::string mark = ".entry ";
  for (size_t at = ptx.find(mark); at != std::string::npos; at = ptx.find(mark, at)) {
    at += mark.size();
    size_t open = ptx.find('(', at), close = ptx.find(')', open), body = ptx.find('{', close);
    std::string name = ptx.substr(at, open - at), parameters = ptx.substr(open, close - open);
    CUfunc_st &kernel = module.kernels[name];
    kernel.name = name;
    for (size_t i = parameters.find(".param"); i != std::string::npos; i = parameters.find(".param", i + 1))
      ++kernel.arguments;
    std::string directives = ptx.substr(close, body - close);
    kernel.threads = std::max(numberAfter(directives, ".maxntid "), numberAfter(directives, ".reqntid "));
  }
}

/// The executable's name with another extension, or what the environment says.
static std::string bodiesPath() {
  if (const char *path = std::getenv("COLO_DOUBLE_KERNELS"))
    return path;
  char executable[4096];
  ssize_t length = readlink("/proc/self/exe", executable, sizeof executable);
  std::string path(executable, std::max<ssize_t>(length, 0));
  return path.substr(0, path.rfind('.')) + ".so";
}

/// In an image a kernel has dollars where its name has dots.
static Entry findBody(std::string name) {
  static void *bodies = [] {
    void *library = dlopen(bodiesPath().c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (!library)
      fail(std::string("no bodies of kernels: ") + dlerror());
    return library;
  }();
  std::replace(name.begin(), name.end(), '$', '.');
  return reinterpret_cast<Entry>(dlsym(bodies, (name + ".entry").c_str()));
}

DOUBLE_EXPORT int cuModuleLoadData(CUmod_st **module, const void *image) {
  noteAllocation("cuModuleLoadData", 0);
  *module = new CUmod_st;
  std::string ptx = findPtx(image);
  readKernels(ptx, **module);
  return (*module)->kernels.empty() ? 200 : 0;
}

DOUBLE_EXPORT int cuModuleUnload(CUmod_st *module) {
  delete module;
  return 0;
}

DOUBLE_EXPORT int cuModuleGetFunction(CUfunc_st **function, CUmod_st *module, const char *name) {
  auto it = module->kernels.find(name);
  if (it == module->kernels.end())
    return 500;
  it->second.entry = findBody(name);
  if (!it->second.entry)
    fail(std::string("the emulator's object has no body of ") + name);
  *function = &it->second;
  return 0;
}

DOUBLE_EXPORT int cuLaunchKernel(CUfunc_st *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                                 unsigned tz, unsigned sharedBytes, CUstream_st *stream, void **parameters, void **) {
  if (x == 0 || y != 1 || z != 1 || ty != 1 || tz != 1 || sharedBytes || !stream)
    fail("cuLaunchKernel of " + function->name + " with blocks, threads or a stream that no program has");
  if (function->threads && function->threads != static_cast<long>(threads))
    fail("cuLaunchKernel of " + function->name + " with a number of threads that it was not made for");
  if (mustFail("cuLaunchKernel"))
    return 719;
  if (!stream->capture && meetFault(1) == 0)
    stream->submit(stopHere);
  note(CUgraph_st::Kernel, stream, function, "kernel " + function->name);
  // The arguments' own memory is free when the call returns.
  std::vector<uint64_t> values(function->arguments);
  for (size_t i = 0; i < values.size(); ++i) {
    std::memcpy(&values[i], parameters[i], 8);
    if (isDevice(values[i]))
      values[i] = reinterpret_cast<uint64_t>(visible(values[i], 0, "cuLaunchKernel"));
  }
  stream->submit([function, x, values]() mutable {
    std::vector<void *> slots(values.size() + 1);
    std::memcpy(slots.data(), values.data(), 8 * values.size());
    function->entry(slots.data(), 0, x);
  });
  return 0;
}

/// The emulator's object names it in its table; nothing calls it.
DOUBLE_EXPORT void *colo_cpu_device() { fail("a kernel asks for a device"); }
