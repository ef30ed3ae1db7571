//===- Device.cpp - what emitted code asks of a device -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Device.h and Program.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Device.h"
#include "Profile.h"
#include "Ranges.h"
#include "Rank.h"

#include <chrono>

namespace colo::runtime {

HostView::HostView(Device &device, char *memory, int64_t bytes, Access access)
    : device(device), memory(memory), view(memory), bytes(bytes), access(access) {
  if (device.sharesMemory())
    return;
  copy.resize(bytes);
  view = copy.data();
  if (access == Reads)
    device.read(view, memory, bytes);
}

HostView::~HostView() {
  if (access == Writes && view != memory)
    device.write(memory, view, bytes);
}

int64_t steadyNanoseconds() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

} // namespace colo::runtime

using namespace colo::runtime;

static Device &deviceOf(ColoFrame *frame) { return static_cast<Rank *>(frame->runtime)->device(); }

static const ColoProgram &programOf(ColoFrame *frame) { return static_cast<Rank *>(frame->runtime)->program(); }

extern "C" {

void colo_gemm(ColoFrame *frame, int64_t gemm, const void *a, const void *b, void *c) {
  colo_gemm_epilogue(frame, gemm, a, b, c, nullptr, nullptr, nullptr, nullptr);
}

void colo_gemm_epilogue(ColoFrame *frame, int64_t gemm, const void *a, const void *b, void *c, const void *bias,
                        const void *addend, void *sums, void *aux) {
  ProfileScope scope(Profile::Product, gemm);
  RangeScope range([&] { return formatString("product, %s", programOf(frame).gemms[gemm].source); });
  deviceOf(frame).products().run(gemm, {a, b, c, bias, addend, sums, aux});
}

void colo_launch_kernel(ColoFrame *frame, int64_t kernel, void **arguments, int64_t blocks, int64_t bytes) {
  ProfileScope scope(Profile::Kernel, kernel, bytes);
  RangeScope range([&] {
    const ColoDeviceKernel &named = programOf(frame).kernels[kernel];
    return formatString("kernel %s, %s", named.name, named.source);
  });
  deviceOf(frame).launch(kernel, arguments, blocks);
}

void colo_clear(ColoFrame *frame, void *memory, int64_t bytes) { deviceOf(frame).clear(memory, bytes); }

void colo_fetch(ColoFrame *frame, void *host, const void *memory, int64_t bytes, int64_t stream) {
  deviceOf(frame).fetch(host, memory, bytes, stream);
}

void colo_event_record(ColoFrame *frame, int64_t event, int64_t stream) { deviceOf(frame).record(event, stream); }

void colo_stream_wait(ColoFrame *frame, int64_t stream, int64_t event) {
  if (stream != COLO_STREAM_COMPUTE)
    return deviceOf(frame).wait(stream, event);
  ProfileScope scope(Profile::Waiting, 0);
  deviceOf(frame).wait(stream, event);
}
}
