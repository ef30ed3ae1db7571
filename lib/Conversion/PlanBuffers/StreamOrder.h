//===- StreamOrder.h - what is done when work starts ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Vector clocks of streams (Mattern, 1989). Work of one stream runs in the order
// in which it is issued. An event stands for all work of its stream so far and
// for all that this work started after; a stream that waits for it starts what
// comes after all of that.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_PLANBUFFERS_STREAMORDER_H
#define COLO_LIB_CONVERSION_PLANBUFFERS_STREAMORDER_H

#include "llvm/ADT/DenseMap.h"
#include <cstdint>

namespace colo {

class StreamOrder {
public:
  /// Issues an op; its number on its stream, from 1.
  int64_t issue(int64_t stream) { return ++clocks[stream][stream]; }

  void record(int64_t event, int64_t stream) { events[event] = clocks[stream]; }

  void wait(int64_t event, int64_t stream) {
    Clock &clock = clocks[stream];
    for (auto [other, count] : events.lookup(event))
      clock[other] = std::max(clock[other], count);
  }

  /// Whether op `number` of stream `of` is done when what `stream` gets next starts.
  bool isDone(int64_t number, int64_t of, int64_t stream) { return clocks[stream].lookup(of) >= number; }

private:
  using Clock = llvm::SmallDenseMap<int64_t, int64_t, 4>; ///< ops of each stream that are done
  llvm::DenseMap<int64_t, Clock> clocks, events;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_PLANBUFFERS_STREAMORDER_H
