//===- ProductTiming.h - a step against its products alone -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --time-products: how much longer a step takes than its matrix products by
// themselves, in the same process and run. What is above 1 is everything else:
// kernels, copies, launches, data.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_PRODUCTTIMING_H
#define COLO_LIB_RUNTIME_PRODUCTTIMING_H

#include "Rank.h"

namespace colo::runtime {

/// Runs the products of one step by themselves, each as often as a step does,
/// and prints their seconds, the median step's and the ratio. For one rank, when
/// nothing of the arena is needed any more but on the CPU, where they have
/// buffers of their own.
void printProductTiming(Rank &rank, std::vector<double> stepSeconds);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_PRODUCTTIMING_H
