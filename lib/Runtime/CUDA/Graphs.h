//===- Graphs.h - work of a rank's streams as CUDA graphs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the streams are given between begin and end is not done but becomes a graph,
// which is launched on the first stream as often as wanted. All streams take part:
// each starts behind the first and is waited for at the end. Capture is local to the
// thread, because other threads of the process are other ranks and NCCL's own.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_GRAPHS_H
#define COLO_LIB_RUNTIME_CUDA_GRAPHS_H

#include "CUDA/Driver.h"
#include "colo/Runtime/Device.h"

#include <vector>

namespace colo::runtime::cuda {

class Graphs {
public:
  ~Graphs();

  /// Once the streams are there.
  void open(std::vector<CudaStream> chosen);
  /// Captures and launches a small graph, which clears a byte of the device's memory and writes 1 to a word of locked
  /// memory that was 0. Returns what the driver does not do; empty: nothing.
  std::string tryOut(Address byte, uint32_t *word);

  void begin();
  DeviceGraph end();
  void launch(int64_t number);

private:
  bool attempt(int result, const char *call);
  bool fork();
  bool join(GraphExec &exec, int64_t &nodes);

  const Driver &cu = driver();
  std::vector<CudaStream> streams;
  std::vector<CudaEvent> events; ///< of each stream
  std::vector<GraphExec> graphs;
  std::string fault;    ///< of the first attempt that failed
  size_t freeBytes = 0; ///< of the device before the capture
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_GRAPHS_H
