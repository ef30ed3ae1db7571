//===- Device.h - what a rank computes on -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device has memory, streams, events, matrix products and a provider of
// communication that works on its memory. One rank owns it and calls it from its
// own thread. ColoProgram.device names the function that makes it, so that an
// executable holds the code of the device that it was compiled for alone.
//
// The host never touches a device's memory but through these functions. A twin
// is memory of the host that stands for a part of the device's: where the two
// share their memory it is that part, and copies between them do nothing.
//
// Numbers of streams and events are those of the program. Functions without a
// stream work in order on stream 0, the compute stream. A call that fails while
// the program runs ends the process with a message.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_DEVICE_H
#define COLO_RUNTIME_DEVICE_H

#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Products.h"

#include <memory>
#include <string>
#include <vector>

namespace colo::runtime {

struct DeviceSetup {
  const ColoProgram *program = nullptr;
  int64_t place = 0;           ///< of the rank among the ranks on this host
  bool overlapsLayers = false; ///< collectives inside layers, transfers between stages run beside the rank's work
  bool overlapsStages = false;
  int64_t ranks = 1, ranksInProcess = 1;
  std::string comm = "auto";    ///< how ranks communicate, as the user says
  bool wantsGraphs = false;     ///< unless the device has a reason against them
  bool insistsOnGraphs = false; ///< where they may not end well, too
};

/// Work of a device that is launched as one.
struct DeviceGraph {
  int64_t number = -1; ///< from 0 on; -1: none
  int64_t nodes = 0;
  int64_t bytes = 0; ///< of the device's memory that it took beside the arena
};

/// Which device a rank computes on.
struct DeviceChoice {
  uint64_t id = 0;                 ///< of all machines; 0: ranks may have the same
  int64_t number = 0, visible = 0; ///< of so many that the rank's process sees
};

class Device {
public:
  Device() = default;
  virtual ~Device() = default;
  Device(const Device &) = delete;

  /// Whether this machine has what the program's ranks need: once in a process, first.
  virtual Status probe(const DeviceSetup &setup) = 0;
  /// What `open` will take, on a machine that has been probed.
  virtual DeviceChoice choice(const DeviceSetup &) { return {}; }
  /// Streams, events and prepared products.
  virtual Status open(const DeviceSetup &setup) = 0;
  /// A communicator of the whole world that works on the device's memory, made with the help of the host's.
  virtual Status connect(ncclComm_t hosts, int rank, int ranks, ncclComm_t &world) = 0;
  virtual const CommProvider &comms() = 0;

  /// Bytes of the arena for the device's own use, once it is open, and where they are, at a multiple of
  /// kScratchAlignment.
  virtual int64_t scratchBytes() const = 0;
  virtual void useScratch(char *memory) = 0;
  /// Called once: zeros, at a multiple of 4096. It is freed with the device.
  virtual Status allocate(int64_t bytes, char *&memory) = 0;
  virtual Status makeTwin(char *memory, int64_t bytes, char *&host) = 0;
  virtual void upload(char *memory, const char *twin, int64_t bytes) = 0;
  /// A copy from a twin that runs beside the step: it starts when the last unstage is done. And a copy of that on the
  /// device, behind it, on stream 0.
  virtual void stage(char *staging, const char *twin, int64_t bytes) = 0;
  virtual void unstage(char *memory, const char *staging, int64_t bytes) = 0;
  virtual void fetch(void *twin, const void *memory, int64_t bytes, int64_t stream) = 0;
  virtual void clear(void *memory, int64_t bytes) = 0;

  /// Outside steps: copies from and to any memory of the host, done on return.
  virtual bool sharesMemory() const = 0;
  virtual void write(char *memory, const char *host, int64_t bytes) = 0;
  virtual void read(char *host, const char *memory, int64_t bytes) = 0;

  /// For the frame: what NCCL takes for a stream.
  virtual void **streamHandles() = 0;
  virtual void record(int64_t event, int64_t stream) = 0;
  virtual void wait(int64_t stream, int64_t event) = 0;
  /// Waits for all streams.
  virtual void synchronize() = 0;
  /// Marks on streams, of which times are known: made once, before the first step; set when the stream comes there; and
  /// the seconds from one to a later one of the same stream, when both have been set.
  virtual Status makeMarks(int64_t count) = 0;
  virtual void mark(int64_t number, int64_t stream) = 0;
  virtual double secondsBetween(int64_t from, int64_t to) = 0;
  /// Writes the time, in nanoseconds of the steady clock, when the stream comes there.
  virtual void noteTime(int64_t stream, int64_t *place) = 0;

  /// The step, or the batch of an evaluation, that emitted code enqueues next. Nothing is under way.
  virtual void startStep() {}
  /// Why steps cannot be graphs, on a device that has been probed; once memory is allocated, also what a trial showed.
  /// Empty: they can.
  virtual std::string whyNoGraph(const DeviceSetup &setup) = 0;
  /// What emitted code enqueues between these, after it ran once plainly, is not done but kept. What it copies to the
  /// host or from it and where is kept with it.
  virtual void beginCapture() = 0;
  virtual DeviceGraph endCapture() = 0;
  /// Puts a graph on stream 0. Nothing of the one before is under way.
  virtual void launchGraph(int64_t number) = 0;
  /// Ends all graphs. A communicator whose operations one holds must outlive it.
  virtual void releaseGraphs() {}

  virtual void launch(int64_t kernel, void **arguments, int64_t blocks) = 0;
  virtual Products &products() = 0;
  /// Products other than the program's, once scratch memory for them is known: see useScratch of theirs.
  virtual std::unique_ptr<Products> makeProducts() = 0;
  /// Bytes a second that its memory can move, by what the device says of itself; 0: it does not say.
  virtual double memoryRate() const { return 0; }
};

/// Part of a device's memory as the host sees it, outside steps: the memory itself or a copy of it.
class HostView {
public:
  enum Access { Reads, Writes };
  HostView(Device &device, char *memory, int64_t bytes, Access access);
  /// What was written goes to the device.
  ~HostView();
  HostView(const HostView &) = delete;
  char *data() { return view; }

private:
  Device &device;
  char *memory, *view;
  int64_t bytes;
  Access access;
  std::vector<char> copy;
};

/// Now, in nanoseconds of the machine's steady clock.
int64_t steadyNanoseconds();

} // namespace colo::runtime

#endif // COLO_RUNTIME_DEVICE_H
