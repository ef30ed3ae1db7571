//===- CpuDevice.cpp - the host as a device -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Memory is the host's, stream 0 the rank's own thread. Kernels are host functions,
// which emitted code hands to colo_launch itself.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Device.h"
#include "colo/Runtime/Gemm.h"
#include "colo/Runtime/Stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sys/mman.h>

namespace colo::runtime {

static void note(int64_t **place) { **place = steadyNanoseconds(); }

namespace {
class CpuDevice final : public Device {
public:
  ~CpuDevice() override {
    if (arena)
      munmap(arena, arenaBytes);
  }

  Status probe(const DeviceSetup &setup) override {
    if (setup.comm == "nccl" || setup.comm == "loopback")
      return Status::usage("--comm=%s is for programs that run on GPUs; --comm=threads runs ranks as threads of one "
                           "process",
                           setup.comm.c_str());
    return Status::ok();
  }

  Status open(const DeviceSetup &setup) override {
    const ColoProgram &p = *setup.program;
    // A transfer between stages waits more than it works, so its thread needs no core of its own.
    auto isInOrder = [&](int64_t stream) {
      return stream == COLO_STREAM_COMPUTE || (stream == COLO_STREAM_LAYERS && !setup.overlapsLayers) ||
             (stream == COLO_STREAM_STAGES && !setup.overlapsStages);
    };
    for (int64_t i = 0; i < std::max<int64_t>(1, p.streamCount); ++i)
      streams.push_back(std::make_unique<Stream>(isInOrder(i)));
    for (int64_t i = 0; i < p.eventCount; ++i)
      events.push_back(std::make_unique<Event>());
    for (auto &stream : streams)
      handles.push_back(stream.get());
    return gemms.prepare(p.gemms, p.gemmCount);
  }

  Status connect(ncclComm_t hosts, int, int, ncclComm_t &world) override {
    world = hosts;
    return Status::ok();
  }
  const CommProvider &comms() override { return commProvider(); }

  int64_t scratchBytes() const override { return 0; }
  void useScratch(char *) override {}
  Status allocate(int64_t bytes, char *&memory) override {
    void *mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
      return Status::usage("no memory for an arena of %lld bytes per rank: %s", static_cast<long long>(bytes),
                           std::strerror(errno));
    memory = arena = static_cast<char *>(mapped);
    arenaBytes = bytes;
    madvise(arena, bytes, MADV_HUGEPAGE); // a hint: products walk far apart rows
    return Status::ok();
  }
  Status makeTwin(char *memory, int64_t, char *&host) override {
    host = memory;
    return Status::ok();
  }
  void upload(char *, const char *, int64_t) override {}
  void stage(char *, const char *, int64_t) override {}
  void unstage(char *, const char *, int64_t) override {}
  void fetch(void *, const void *, int64_t, int64_t) override {}
  void clear(void *memory, int64_t bytes) override { std::memset(memory, 0, bytes); }

  bool sharesMemory() const override { return true; }
  void write(char *memory, const char *host, int64_t bytes) override { std::memcpy(memory, host, bytes); }
  void read(char *host, const char *memory, int64_t bytes) override { std::memcpy(host, memory, bytes); }

  void **streamHandles() override { return handles.data(); }
  void record(int64_t event, int64_t stream) override { events[event]->record(*streams[stream]); }
  void wait(int64_t stream, int64_t event) override { events[event]->wait(*streams[stream]); }
  void synchronize() override {
    for (auto &stream : streams)
      stream->synchronize();
  }
  void noteTime(int64_t stream, int64_t *place) override { streams[stream]->submit<note>(place); }

  Status makeMarks(int64_t count) override {
    marks.resize(count);
    return Status::ok();
  }
  void mark(int64_t number, int64_t stream) override { noteTime(stream, &marks[number]); }
  double secondsBetween(int64_t from, int64_t to) override {
    return 1e-9 * static_cast<double>(marks[to] - marks[from]);
  }

  std::string whyNoGraph(const DeviceSetup &) override { return "this program runs on the host"; }
  void beginCapture() override { failProcess(Status::internal("work of the host is captured")); }
  DeviceGraph endCapture() override { return {}; }
  void launchGraph(int64_t) override {}

  void launch(int64_t, void **, int64_t) override {
    failProcess(Status::internal("a program for the CPU launches a device's kernel"));
  }
  Products &products() override { return gemms; }
  std::unique_ptr<Products> makeProducts() override { return std::make_unique<GemmSet>(); }

private:
  char *arena = nullptr;
  int64_t arenaBytes = 0;
  GemmSet gemms;
  std::vector<int64_t> marks;
  std::vector<std::unique_ptr<Event>> events;
  std::vector<std::unique_ptr<Stream>> streams; ///< end before what they work on
  std::vector<void *> handles;
};
} // namespace

} // namespace colo::runtime

extern "C" void *colo_cpu_device() { return static_cast<colo::runtime::Device *>(new colo::runtime::CpuDevice); }
