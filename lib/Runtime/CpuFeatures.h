//===- CpuFeatures.h - whether this CPU runs the program -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code for a CPU that has more than this one would end in an illegal
// instruction somewhere in the first step.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CPUFEATURES_H
#define COLO_LIB_RUNTIME_CPUFEATURES_H

#include <string_view>

#include "colo/Runtime/Status.h"

namespace colo::runtime {

/// Whether this CPU has an extension of CpuFeatures.def; false of any other name.
bool hasCpuFeature(std::string_view name);

/// `features` are names with commas between them, or null where the program has no code of a certain CPU. An error (2)
/// names those that `hasFeature` denies, and what to compile for instead.
Status checkCpuFeatures(const char *features, bool (*hasFeature)(std::string_view) = hasCpuFeature);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_CPUFEATURES_H
