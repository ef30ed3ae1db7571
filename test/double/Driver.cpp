//===- Driver.cpp - the CUDA driver, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Double.h. Results are the driver's numbers.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <unistd.h>

namespace colo_double {

void fail(const std::string &message) {
  fprintf(stderr, "double: %s\n", message.c_str());
  _exit(86);
}

static constexpr int kMostDevices = 64;

bool mustFail(const char *call) {
  const char *asked = std::getenv("COLO_DOUBLE_FAIL");
  return asked && std::strcmp(asked, call) == 0;
}

/// What the devices did is written when the process ends well.
struct Devices {
  std::array<CUctx_st, kMostDevices> all;
  std::vector<int> visible; ///< by the numbers that this process has for them
  Devices() {
    const char *number = std::getenv("COLO_DOUBLE_DEVICES"), *chosen = std::getenv("CUDA_VISIBLE_DEVICES");
    int count = number ? std::min(kMostDevices, std::atoi(number)) : 8;
    for (int i = 0; i < count; ++i)
      visible.push_back(i);
    if (chosen)
      visible.clear();
    std::string shown;
    for (std::istringstream all(chosen ? chosen : ""); std::getline(all, shown, ',');)
      if (int i = std::atoi(shown.c_str()); i < count)
        visible.push_back(i);
    for (int i = 0; i < kMostDevices; ++i)
      all[i].number = i;
  }
  ~Devices() {
    const char *path = std::getenv("COLO_DOUBLE_LOG");
    FILE *file = path ? fopen(path, "ae") : nullptr;
    if (!file)
      return;
    for (const CUctx_st &device : all)
      if (device.allocations)
        fprintf(file,
                "{\"device\": %d, \"allocations\": %lld, \"bytes\": %lld, \"launches\": %lld, \"products\": %lld, "
                "\"collectives\": %lld, \"copies_beside\": %lld, \"graphs\": %lld, \"graph_launches\": %lld}\n",
                device.number, static_cast<long long>(device.allocations), static_cast<long long>(device.bytes),
                static_cast<long long>(device.launches), static_cast<long long>(device.products),
                static_cast<long long>(device.collectives), static_cast<long long>(device.copiesBeside),
                static_cast<long long>(device.graphs), static_cast<long long>(device.graphLaunches));
    fclose(file);
  }
};

static Devices &devices() {
  static Devices instance;
  return instance;
}

static thread_local CUctx_st *current = nullptr;
static thread_local bool launched = false; ///< a rank is a thread

CUctx_st &context() {
  if (!current)
    fail("a call on a thread without a context");
  return *current;
}

void noteAllocation(const char *call, int64_t bytes) {
  CUctx_st &here = context();
  refuseInCapture(call);
  std::lock_guard<std::mutex> lock(here.mutex);
  if (launched)
    fail(std::string(call) + " after the first launch");
  here.allocations += bytes > 0;
  here.bytes += bytes;
}

void note(CUgraph_st::Kind kind, CUstream_st *stream, const void *what, const std::string &name) {
  static std::mutex mutex;
  static std::set<std::pair<int, const void *>> known; ///< what ran plainly, by device
  CUctx_st &here = context();
  stream->hasKernels |= kind == CUgraph_st::Kernel;
  stream->demandCopies();
  std::lock_guard<std::mutex> lock(mutex);
  if (CUgraph_st *graph = stream->capture) {
    if (!known.count({here.number, what}))
      fail(name + " is captured before it ran plainly");
    graph->counts[kind] += 1;
    if (kind == CUgraph_st::Collective)
      graph->communicators.push_back(what);
    graph->next = kind == CUgraph_st::Kernel ? kind : CUgraph_st::Other;
    return;
  }
  if (here.capture)
    fail(name + " on a stream that does not take part in the capture of another one of its device");
  known.insert({here.number, what});
  std::lock_guard<std::mutex> counting(here.mutex);
  launched |= kind == CUgraph_st::Kernel;
  ++(kind == CUgraph_st::Kernel ? here.launches : kind == CUgraph_st::Product ? here.products : here.collectives);
}

static CUstream_st &live(CUstream_st *stream, const char *call) {
  if (!stream)
    fail(std::string(call) + " on the default stream, which the others do not wait for");
  if (context().capture && !stream->capture)
    fail(std::string(call) + " on a stream that does not take part in the capture of another one of its device");
  return *stream;
}

} // namespace colo_double

using namespace colo_double;

enum { Success = 0, InvalidValue = 1, InvalidDevice = 101 };

DOUBLE_EXPORT int cuInit(unsigned) { return devices().visible.empty() ? 100 : Success; }
DOUBLE_EXPORT int cuGetErrorName(int result, const char **name) {
  *name = result == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_OF_DOUBLE";
  return Success;
}
DOUBLE_EXPORT int cuGetErrorString(int result, const char **text) {
  *text = result == 100 ? "no CUDA-capable device is detected" : "an error of the double";
  return Success;
}
DOUBLE_EXPORT int cuDeviceGetCount(int *count) {
  *count = static_cast<int>(devices().visible.size());
  return Success;
}
DOUBLE_EXPORT int cuDeviceGet(int *device, int number) {
  if (number >= static_cast<int>(devices().visible.size()))
    return InvalidDevice;
  *device = devices().visible[number];
  return Success;
}
DOUBLE_EXPORT int cuDeviceGetName(char *name, int length, int) {
  snprintf(name, length, "double");
  return Success;
}
DOUBLE_EXPORT int cuDeviceGetPCIBusId(char *name, int length, int device) {
  snprintf(name, length, "0000:%02x:00.0", device);
  return Success;
}
/// Compute capability 9.0, memory of 64 bits at 1 GHz; nothing else is asked for.
DOUBLE_EXPORT int cuDeviceGetAttribute(int *value, int attribute, int) {
  static const std::map<int, int> values{{36, 1000000}, {37, 64}, {75, 9}, {76, 0}};
  auto it = values.find(attribute);
  if (it != values.end())
    *value = it->second;
  return it != values.end() ? Success : InvalidValue;
}
DOUBLE_EXPORT int cuDevicePrimaryCtxRetain(CUctx_st **made, int device) {
  *made = &devices().all[device];
  return Success;
}
DOUBLE_EXPORT int cuDevicePrimaryCtxRelease_v2(int) { return Success; }
DOUBLE_EXPORT int cuCtxSetCurrent(CUctx_st *chosen) {
  current = chosen;
  return Success;
}
/// Copies that do not wait are done when they return.
DOUBLE_EXPORT int cuCtxSynchronize() {
  refuseInCapture("cuCtxSynchronize");
  return Success;
}

DOUBLE_EXPORT int cuMemAlloc_v2(Address *address, size_t bytes) {
  noteAllocation("cuMemAlloc", static_cast<int64_t>(bytes));
  *address = allocateDevice(bytes);
  return Success;
}
DOUBLE_EXPORT int cuMemFree_v2(Address address) {
  refuseInCapture("cuMemFree");
  freeDevice(address);
  return Success;
}
DOUBLE_EXPORT int cuMemAllocHost_v2(void **memory, size_t bytes) {
  noteAllocation("cuMemAllocHost", 0);
  *memory = allocateLocked(bytes);
  return Success;
}
DOUBLE_EXPORT int cuMemFreeHost(void *memory) {
  freeLocked(memory);
  return Success;
}
DOUBLE_EXPORT int cuMemcpyHtoD_v2(Address to, const void *from, size_t bytes) {
  refuseInCapture("cuMemcpyHtoD");
  std::memcpy(visible(to, bytes, "cuMemcpyHtoD"), from, bytes);
  return Success;
}
DOUBLE_EXPORT int cuMemcpyDtoH_v2(void *to, Address from, size_t bytes) {
  refuseInCapture("cuMemcpyDtoH");
  std::memcpy(to, visible(from, bytes, "cuMemcpyDtoH"), bytes);
  return Success;
}
DOUBLE_EXPORT int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, CUstream_st *stream) {
  if (!isLocked(from, bytes))
    fail("cuMemcpyHtoDAsync from memory that is not locked");
  void *target = visible(to, bytes, "cuMemcpyHtoDAsync");
  bool isBeside = !live(stream, "cuMemcpyHtoDAsync").hasKernels;
  context().copiesBeside += isBeside;
  if (isBeside && !stream->copies)
    stream->copies = std::make_shared<Completion>();
  stream->submit([target, from, bytes, demanded = stream->copies] {
    if (demanded)
      demanded->wait();
    std::memcpy(target, from, bytes);
  });
  return Success;
}
DOUBLE_EXPORT int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, CUstream_st *stream) {
  if (!isLocked(to, bytes))
    fail("cuMemcpyDtoHAsync to memory that is not locked");
  const void *source = visible(from, bytes, "cuMemcpyDtoHAsync");
  live(stream, "cuMemcpyDtoHAsync").submit([=] { std::memcpy(to, source, bytes); });
  return Success;
}
DOUBLE_EXPORT int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, CUstream_st *stream) {
  void *target = visible(to, bytes, "cuMemcpyDtoDAsync");
  const void *source = visible(from, bytes, "cuMemcpyDtoDAsync");
  live(stream, "cuMemcpyDtoDAsync").submit([=] { std::memcpy(target, source, bytes); });
  return Success;
}
DOUBLE_EXPORT int cuMemsetD8Async(Address to, unsigned char value, size_t bytes, CUstream_st *stream) {
  if (mustFail("cuMemsetD8Async"))
    return 400;
  void *target = visible(to, bytes, "cuMemsetD8Async");
  live(stream, "cuMemsetD8Async").submit([=] { std::memset(target, value, bytes); });
  return Success;
}

DOUBLE_EXPORT int cuStreamCreate(CUstream_st **made, unsigned flags) {
  static std::atomic<unsigned> seed{1};
  if (flags != 1)
    fail("cuStreamCreate of a stream that waits for the default stream");
  noteAllocation("cuStreamCreate", 0);
  *made = new CUstream_st(seed++);
  return Success;
}
DOUBLE_EXPORT int cuStreamDestroy_v2(CUstream_st *stream) {
  delete stream;
  return Success;
}
DOUBLE_EXPORT int cuStreamSynchronize(CUstream_st *stream) {
  refuseInCapture("cuStreamSynchronize");
  if (mustFail("cuStreamSynchronize"))
    return 214; // CUDA_ERROR_ECC_UNCORRECTABLE
  live(stream, "cuStreamSynchronize").demandCopies();
  live(stream, "cuStreamSynchronize").synchronize();
  return Success;
}
DOUBLE_EXPORT int cuStreamWriteValue32_v2(CUstream_st *stream, Address to, uint32_t value, unsigned flags) {
  auto *word = reinterpret_cast<uint32_t *>(to);
  if (flags || !isLocked(word, sizeof *word))
    fail("cuStreamWriteValue32 to memory that is not locked");
  live(stream, "cuStreamWriteValue32").submit([=] { __atomic_store_n(word, value, __ATOMIC_RELEASE); });
  return Success;
}
DOUBLE_EXPORT int cuStreamWaitEvent(CUstream_st *stream, CUevent_st *event, unsigned) {
  if (!stream)
    fail("cuStreamWaitEvent on the default stream, which the others do not wait for");
  if (waitInCapture(*stream, *event))
    return Success;
  if (event->stream)
    event->stream->demandCopies();
  if (std::shared_ptr<Completion> last = event->last)
    live(stream, "cuStreamWaitEvent").submit([last] { last->wait(); });
  return Success;
}
DOUBLE_EXPORT int cuEventCreate(CUevent_st **made, unsigned flags) {
  noteAllocation("cuEventCreate", 0);
  *made = new CUevent_st;
  (*made)->hasTime = flags == 0;
  return Success;
}
DOUBLE_EXPORT int cuEventDestroy_v2(CUevent_st *event) {
  delete event;
  return Success;
}
DOUBLE_EXPORT int cuEventRecord(CUevent_st *event, CUstream_st *stream) {
  if (stream && stream->capture) {
    event->capture = stream->capture->number;
    event->nodes = stream->last;
    return Success;
  }
  auto completion = std::make_shared<Completion>();
  event->last = completion;
  event->stream = stream;
  event->capture = 0;
  live(stream, "cuEventRecord").submit([completion] { completion->set(); });
  return Success;
}
/// Of events that are past; the host has to have waited.
DOUBLE_EXPORT int cuEventElapsedTime(float *milliseconds, CUevent_st *from, CUevent_st *to) {
  int64_t times[2];
  for (CUevent_st *event : {from, to}) {
    if (!event->hasTime || event->capture || !event->last)
      fail("cuEventElapsedTime of an event without a time");
    std::lock_guard<std::mutex> lock(event->last->mutex);
    if (!event->last->done)
      fail("cuEventElapsedTime of an event that the stream has not come to");
    times[event == to] = event->last->nanoseconds;
  }
  *milliseconds = static_cast<float>(1e-6 * static_cast<double>(times[1] - times[0]));
  return Success;
}
DOUBLE_EXPORT int cuLaunchHostFunc(CUstream_st *stream, void (*function)(void *), void *data) {
  refuseInCapture("cuLaunchHostFunc");
  live(stream, "cuLaunchHostFunc").submit([=] { function(data); });
  return Success;
}
