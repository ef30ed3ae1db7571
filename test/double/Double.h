//===- Double.h - GPUs on the host -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the driver, cuBLASLt and NCCL do, on memory of the host, so that a program
// for GPUs runs as it is where there is none. It is stricter than the real ones:
//
// * Memory of a device cannot be read or written at the addresses that a program
//   gets. Only the double itself sees it, elsewhere. New memory holds NaNs.
// * A stream is a thread, and nothing but events orders streams. With
//   COLO_DOUBLE_DELAY=N each task first waits up to N microseconds.
// * A copy without waiting is done late, from and to locked memory only; to a device, on a stream that no kernel runs
// on, when
//   somebody waits for it.
// * After a rank's first launch it may allocate and create nothing but graphs.
// * While a stream is captured nothing runs. Refused are waits of the host, for the device or its streams; copies that
// wait;
//   events that were not recorded in the capture, and outside of it those that were; streams that do not take part or
//   are not waited for at the end; callbacks; kernels, products and collectives that have not run plainly before. Nodes
//   of a launched graph are ordered by nothing but what was captured, whatever other streams do.
//   NCCL_GRAPH_MIXING_SUPPORT is set where collectives are captured, and none is called plainly while a graph of its
//   communicator is under way.
// * Kernels' names, their number of arguments and threads are read from the PTX.
// * Ranks may be threads of one process or processes of one machine (Communicator.h); each process sees all devices,
//   or those of CUDA_VISIBLE_DEVICES, numbers with commas between them.
//
// Kernels run as emulated bodies (lib/Runtime/Emulator.cpp) from a shared object made
// of `colo-compile --target=cuda --emulate --emit=obj`: COLO_DOUBLE_KERNELS, or for an
// executable NAME.cuda the file NAME.so beside it.
// COLO_DOUBLE_NCCL is NCCL's version as a number, COLO_DOUBLE_DEVICES is the number of GPUs; COLO_DOUBLE_LOG names a
// file to which each process adds what each of them did; COLO_DOUBLE_FAIL a call that returns an error;
// COLO_DOUBLE_LACKS=epilogues is a cuBLASLt that only multiplies, =alignments one for multiples of 16 bytes alone.
// COLO_DOUBLE_FAULT=KIND:DEVICE:N says what happens at a device's N-th launch: "host": its rank stops there, "stream":
// the stream does, "error": the stream does and NCCL finds an error on its communicators, "lost": the rank stops and
// NCCL finds an error on the others'. Whatever is wrong ends the process with a message.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_DOUBLE_DOUBLE_H
#define COLO_TEST_DOUBLE_DOUBLE_H

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#define DOUBLE_EXPORT extern "C" __attribute__((visibility("default")))

using Address = uint64_t;

struct CUgraph_st;

/// A device, and its primary context.
struct CUctx_st {
  int number = 0;
  std::mutex mutex;
  int64_t allocations = 0, bytes = 0, launches = 0, products = 0, collectives = 0;
  int64_t copiesBeside = 0; ///< to the device, on streams that no kernel runs on
  int64_t graphs = 0, graphNodes = 0, graphLaunches = 0;
  CUgraph_st *capture = nullptr; ///< that one of its streams is in
};

struct Completion {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  int64_t nanoseconds = 0; ///< when it was set
  void set();
  void wait();
};

struct CUstream_st {
  explicit CUstream_st(unsigned seed);
  ~CUstream_st();
  /// In a capture the task becomes a node.
  void submit(std::function<void()> task);
  void synchronize();

  bool hasKernels = false;
  std::shared_ptr<Completion> copies; ///< is set when somebody waits for the last copies; null: nobody needs to
  void demandCopies();
  CUgraph_st *capture = nullptr;
  std::set<size_t> last; ///< nodes of the capture that the next one comes behind

private:
  void work();
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> tasks;
  uint64_t submitted = 0, finished = 0;
  bool stopping = false;
  std::mt19937 random;
  std::thread thread;
};

/// The last record; none yet. In a capture it stands for nodes.
struct CUevent_st {
  std::shared_ptr<Completion> last;
  CUstream_st *stream = nullptr; ///< of the last record
  uint64_t capture = 0;          ///< its number; 0: none
  std::set<size_t> nodes;
  bool hasTime = false;
};

/// What streams were given while they were captured.
struct CUgraph_st {
  enum Kind { Other, Kernel, Product, Collective };
  struct Node {
    CUstream_st *stream;
    std::set<size_t> behind;
    Kind kind;
    std::function<void()> task;
  };
  uint64_t number = 0;
  CUctx_st *device = nullptr;
  CUstream_st *origin = nullptr;
  std::thread::id owner;
  std::set<CUstream_st *> streams;
  std::vector<Node> nodes;
  std::vector<const void *> communicators; ///< of collectives
  Kind next = Other;                       ///< of the node that comes next, where it is a kernel
  int64_t counts[4] = {};
};

namespace colo_double {

[[noreturn]] void fail(const std::string &message);
/// Of the calling thread; fails without one.
CUctx_st &context();
/// Whether COLO_DOUBLE_FAULT names one of the next `launches` of the calling thread's device, which is then met: stops
/// the thread there; or returns which of them its stream is to stop at, from 0 on. Else -1.
int64_t meetFault(int64_t launches);
/// Whether NCCL finds an error on a device's communicators.
bool hasAsyncError(int device);
/// Never returns.
[[noreturn]] void stopHere();
/// Whether the environment (COLO_DOUBLE_FAIL) asks for a failure of this call.
bool mustFail(const char *call);
/// Notes a launch, product or collective that is put on a stream, which in a capture is none yet. `what` it is of: it
/// is captured only after it ran plainly on this device.
void note(CUgraph_st::Kind kind, CUstream_st *stream, const void *what, const std::string &name);
/// Whether a graph that can be launched holds an operation of a communicator.
bool isInGraph(const void *communicator);
/// Whether such a graph has been launched and is not done.
bool isUnderWay(const void *communicator);
/// Fails on a thread, or for a device, of which something is captured.
void refuseInCapture(const char *call);
/// Notes that something is made, which must not be after the first launch.
void noteAllocation(const char *call, int64_t bytes);

Address allocateDevice(size_t bytes);
void freeDevice(Address address);
bool isDevice(Address address);
/// Where the double itself sees `bytes` bytes of device memory.
void *visible(Address address, size_t bytes, const char *call);
void *allocateLocked(size_t bytes);
void freeLocked(void *memory);
bool isLocked(const void *memory, size_t bytes);
/// A stream waits for an event, one of which is in a capture; false: none is.
bool waitInCapture(CUstream_st &stream, CUevent_st &event);

} // namespace colo_double

#endif // COLO_TEST_DOUBLE_DOUBLE_H
