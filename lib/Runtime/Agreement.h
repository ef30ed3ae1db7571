//===- Agreement.h - what ranks that are processes must have alike -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Processes are started one by one, and each reads its own command line. Told
// different things they would train nonsense, or wait for each other.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_AGREEMENT_H
#define COLO_LIB_RUNTIME_AGREEMENT_H

#include "Rank.h"

namespace colo::runtime {

/// Of a run whose ranks are processes, once its files are open and the provider is there. All ranks call it and get the
/// same: which rank differs from rank 0 in what, or has another's device, a usage error.
Status compareRanks(const Run &run, const CommProvider &provider);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_AGREEMENT_H
