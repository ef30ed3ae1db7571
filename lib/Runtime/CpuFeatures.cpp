//===- CpuFeatures.cpp - whether this CPU runs the program -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===

#include "CpuFeatures.h"

#include <algorithm>
#include <initializer_list>
#include <string>

namespace colo::runtime {

bool hasCpuFeature(std::string_view name) {
  __builtin_cpu_init();
#define COLO_CPU_FEATURE(NAME)                                                                                         \
  if (name == NAME)                                                                                                    \
    return __builtin_cpu_supports(NAME) != 0;
#include "colo/Runtime/CpuFeatures.def"
  return false;
}

/// The largest level of --target that the CPU has; empty where it has none.
static std::string levelOf(bool (*hasFeature)(std::string_view)) {
  auto hasAll = [&](std::initializer_list<std::string_view> names) {
    for (std::string_view name : names)
      if (!hasFeature(name))
        return false;
    return true;
  };
  if (!hasAll({"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}))
    return "";
  return hasAll({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}) ? "x86-64-v4" : "x86-64-v3";
}

Status checkCpuFeatures(const char *features, bool (*hasFeature)(std::string_view)) {
  std::string missing;
  for (std::string_view rest = features ? features : ""; !rest.empty();) {
    std::string_view name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (!hasFeature(name))
      missing.append(missing.empty() ? "" : ", ").append(name);
  }
  if (missing.empty())
    return Status::ok();
  std::string level = levelOf(hasFeature);
  std::string what = level.empty() ? "compile it on a machine like this one" : "compile it with --target=cpu:" + level;
  return Status::usage("this program was compiled for a CPU with %s, which this one lacks; %s", missing.c_str(),
                       what.c_str());
}

} // namespace colo::runtime
