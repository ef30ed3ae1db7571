//===- Library.cpp - functions of a shared library -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Library.h.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Library.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>

namespace colo::runtime::cuda {

/// `why` is what the loader says of one that is there and does not load.
static void *openAnywhere(std::initializer_list<const char *> names, std::string &why) {
  auto open = [&](const std::string &path) {
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    std::string said = library ? "" : dlerror();
    if (said.find(std::strerror(ENOENT)) == std::string::npos && why.empty())
      why = said;
    return library;
  };
  for (const char *name : names)
    if (void *library = open(name))
      return library;
  for (const char *home : {std::getenv("CUDA_HOME"), std::getenv("CUDA_PATH"), static_cast<char *>(nullptr)}) {
    std::string folder = std::string(home ? home : "/usr/local/cuda") + "/lib64/";
    for (const char *name : names)
      if (void *library = open(folder + name))
        return library;
  }
  return nullptr;
}

Status openLibrary(std::initializer_list<const char *> names, const char *whatFor,
                   std::initializer_list<Import> imports) {
  std::string why;
  void *library = openAnywhere(names, why);
  if (!library && !why.empty())
    return Status::usage("this program runs on NVIDIA GPUs, and %s, %s, does not load: %s", *names.begin(), whatFor,
                         why.c_str());
  if (!library)
    return Status::usage("this program runs on NVIDIA GPUs, and %s, %s, is not on this machine", *names.begin(),
                         whatFor);
  for (const Import &import : imports) {
    *import.address = dlsym(library, import.name);
    if (!*import.address)
      return Status::usage("this program needs %s, %s, with the function %s, which it lacks: it is too old",
                           *names.begin(), whatFor, import.name);
  }
  return Status::ok();
}

} // namespace colo::runtime::cuda
