//===- Partition.h - layers to pipeline stages -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Cuts the layers of a model, in their order, into stages x chunks virtual
// stages of at least one layer each. Which rank runs a virtual stage is the
// problem's `Placement`. The cuts are those of Colossal-AI's `partition_uniform`
// and `partition_balanced`; where these would leave a stage empty or fall back
// to another method, these functions report an error or keep to the method.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_PARTITION_H
#define COLO_SCHEDULE_PARTITION_H

#include "colo/Schedule/Schedule.h"
#include "llvm/ADT/ArrayRef.h"

namespace colo::schedule {

/// Layers [begin, end).
struct LayerRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const LayerRange &other) const { return begin == other.begin && end == other.end; }
};

/// One range per virtual stage, in the order of the model.
using Partition = std::vector<LayerRange>;

/// Each chunk takes layers/chunks layers and is cut in `stages` pieces whose
/// sizes differ by one at most, the larger ones last.
std::optional<Partition> partitionUniform(int64_t layers, int64_t stages, int64_t chunks, Diagnostic &error);

/// Minimises the cost of the most expensive virtual stage. `costs` has one
/// entry per layer, of any one unit; an entry of 0 counts as 1.
std::optional<Partition> partitionBalanced(llvm::ArrayRef<int64_t> costs, int64_t stages, int64_t chunks,
                                           Diagnostic &error);

/// The user's own list: how many layers each virtual stage has.
std::optional<Partition> partitionByList(int64_t layers, llvm::ArrayRef<int64_t> counts, int64_t stages, int64_t chunks,
                                         Diagnostic &error);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_PARTITION_H
