//===- Watchdog.h - collectives that do not end -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank has a thread that looks at its communicators while the host waits. Where
// an operation does not end in time, or NCCL reports an error or the process of
// another rank on this host has gone while the rank waits, it ends the process with
// one message: the operation with the model's line, the communicator, and the ranks
// that have not come to it.
//
// How far streams are it reads from words in locked memory that the streams write
// before and behind each operation, so it calls nothing of the driver. Ranks on
// other hosts it asks, before it speaks, through a socket of its own.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_WATCHDOG_H
#define COLO_LIB_RUNTIME_CUDA_WATCHDOG_H

#include "CUDA/BoardExchange.h"
#include "colo/Runtime/Nccl.h"
#include "colo/Runtime/World.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace colo::runtime::cuda {

class Watchdog {
public:
  /// An error that NCCL found by itself, in words; empty: none.
  using AsyncError = std::function<std::string(ncclComm_t)>;

  struct Setup {
    const ColoProgram *program = nullptr;
    int rank = 0, ranks = 1;
    double seconds = 0; ///< that an operation may take
    std::string board;  ///< name of the ranks' common memory, as shm_open takes it
    /// What a rank of the world gave when it made a communicator of the program.
    std::function<SplitKey(int64_t comm, int64_t rank)> split;
    uint32_t *words = nullptr; ///< wordCount(program) of them, which streams write
    AsyncError asyncError;
    /// How a fault ends the process; tests put something else here.
    std::function<void(const std::string &)> fail;
  };
  struct Call {
    int64_t site = -1, order = 0;
    int peer = -1;
  };
  /// What a step calls, by communicator, in order.
  using Calls = std::vector<std::vector<Call>>;

  static int64_t wordCount(const ColoProgram &program) { return 2 * (program.commCount + 1); }

  explicit Watchdog(Setup setup);
  ~Watchdog();
  Watchdog(const Watchdog &) = delete;

  /// Whether all ranks are on this host, once all have made their watchdogs.
  bool allAreHere() const;
  /// Where the watchdogs of other hosts can ask this one; and, when all ranks have told theirs, where each is. `token`
  /// is the run's.
  SocketAddress openSocket();
  void connect(uint64_t token, std::vector<SocketAddress> addresses);

  /// Communicator 0 is the world; further ones are the program's, in the order in which all ranks make them.
  int addCommunicator();
  void setHandle(int comm, ncclComm_t handle);
  void forget(int comm);
  /// All ranks have come to here.
  void met();

  /// Nothing is under way. Operations of a step are numbered from 1 on.
  void startStep();
  /// The next operation of a communicator: `site` of the program, or -1 for making the communicator; `peer`: the rank
  /// of the world at the other end of a transfer, or -1. Returns its number.
  uint32_t call(int comm, int64_t site, int peer = -1);
  /// Operations in between are not called but noted.
  void beginCapture(Calls &calls);
  void endCapture();
  /// Starts a step of calls that were noted, which its streams number as they did then. They outlive the step.
  void replay(const Calls &calls);
  /// The words that a stream writes that number to before and behind the operation.
  uint32_t *startedWord(int comm) const { return &setup.words[2 * comm]; }
  uint32_t *finishedWord(int comm) const { return &setup.words[2 * comm + 1]; }
  /// Of what the host does itself.
  void startOnHost(int comm, uint32_t number);
  void finishOnHost(int comm, uint32_t number);
  /// The rank of the world that has this place in a communicator.
  int worldRank(int comm, int place) const { return comms[comm].members[place]; }

private:
  using Clock = std::chrono::steady_clock;
  struct Comm {
    ncclComm_t handle = nullptr;
    /// Of all steps. Words hold how many of the step are started and finished.
    uint32_t beforeStep = 0, called = 0, started = 0, finished = 0;
    Clock::time_point since;  ///< nothing has changed
    std::vector<int> members; ///< ranks of the world, by their places
    std::vector<Call> own;    ///< calls of the step
    const std::vector<Call> *replayed = nullptr;
  };

  void watch();
  void look();
  void startStep(Comm &comm, int number);
  uint32_t startedOf(int comm) const;
  uint32_t finishedOf(int comm) const;
  /// Tells the board how far the rank is.
  void publish();
  static Call oldest(const Comm &comm);
  std::string describe(int comm, int64_t site) const;
  /// Whether two ranks are in one communicator.
  bool areTogether(int comm, int64_t a, int64_t b) const;
  enum class Knowledge { Known, Unasked, Silent, None };
  Knowledge knowledgeOf(int64_t rank) const;
  /// " for rank 1, which …", of what a rank waits in; `hops`: so many ranks that wait for each other are followed.
  /// Notes ranks that it would know more of if they were asked.
  std::string describeMissing(int64_t waiting, int hops);
  std::string describeOther(int64_t rank, int64_t waiting, int hops);
  /// The same of this rank, with what others say of themselves.
  std::string learnMissing();
  void report(const std::string &waited, bool namesMissing, const std::string &fault);

  Setup setup;
  Board board;
  std::vector<Comm> comms;
  std::vector<bool> seen;                  ///< ranks on this host whose processes can be looked for
  std::unique_ptr<BoardExchange> exchange; ///< with other hosts; null: it is not there yet, or there are none
  std::vector<bool> asked;                 ///< ranks of those
  std::vector<int64_t> wanted;             ///< ranks that are to be asked
  int64_t order = 0;
  Calls *noted = nullptr; ///< of a capture
  mutable std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::thread thread;
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_WATCHDOG_H
