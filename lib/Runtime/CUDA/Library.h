//===- Library.h - functions of a shared library -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Libraries of NVIDIA's are opened when a program that needs them starts, so that
// nothing of theirs is needed to build one. The tables below declare, in our own
// words, the few functions and numbers of their C interfaces that we use.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_LIBRARY_H
#define COLO_LIB_RUNTIME_CUDA_LIBRARY_H

#include "colo/Runtime/Status.h"

#include <initializer_list>

namespace colo::runtime::cuda {

/// One function: its name and where its address goes.
struct Import {
  const char *name;
  void **address;
};

/// Opens the first library of these names that is there, in the loader's path and in the toolkit's folder, and finds
/// the functions. `whatFor` says in an error what the program needs it for.
Status openLibrary(std::initializer_list<const char *> names, const char *whatFor,
                   std::initializer_list<Import> imports);

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_LIBRARY_H
