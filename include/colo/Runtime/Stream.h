//===- Stream.h - streams and events on the CPU ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Stream 0 of a rank is the rank's own thread: work on it is done when the call
// returns. A further stream is a worker thread that runs its tasks in the order
// of submission. Only the owning rank submits, records and waits.
//
// Events have CUDA's meaning: waiting waits for the last record made before the
// wait was issued; an event never recorded does not block.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_STREAM_H
#define COLO_RUNTIME_STREAM_H

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace colo::runtime {

/// A 32-bit word that threads wait on: by looking again, by letting others run, by a futex.
class WaitWord {
public:
  uint32_t load() const { return value.load(std::memory_order_acquire); }
  void store(uint32_t v);
  void add(uint32_t v);
  /// Who changes the word: another rank or a stream's thread, or a thread of the waiting rank's team.
  enum class Other { Rank, Teammate };
  /// Returns when the word differs from `seen` or after `milliseconds`.
  void waitChange(uint32_t seen, int milliseconds, Other other = Other::Rank);
  /// Whether the process has more threads than cores, which decides how ranks wait for each other. False at first.
  static void setCoresShared(bool shared);

private:
  void wake();
  std::atomic<uint32_t> value{0};
  std::atomic<uint32_t> sleepers{0};
};

class Stream {
public:
  static constexpr size_t payloadBytes = 128;
  using Run = void (*)(void *payload);

  explicit Stream(bool synchronous);
  ~Stream();
  Stream(const Stream &) = delete;

  bool isSynchronous() const { return !worker.joinable(); }

  /// Queues run(payload); blocks while the queue is full. `payload` is copied.
  /// On the synchronous stream it runs at once.
  template <auto run, typename T> void submit(const T &payload) {
    static_assert(sizeof(T) <= payloadBytes && std::is_trivially_copyable<T>::value, "payload does not fit");
    Task task;
    task.run = [](void *queued) { run(static_cast<T *>(queued)); };
    std::memcpy(task.payload, static_cast<const void *>(&payload), sizeof(T));
    push(task);
  }
  /// Returns when everything submitted so far is done.
  void synchronize();

private:
  struct Task {
    Run run;
    alignas(16) char payload[payloadBytes];
  };
  void push(const Task &task);
  void work();

  static constexpr uint32_t capacity = 512;
  std::vector<Task> ring;
  WaitWord submitted, finished;
  std::atomic<bool> stopping{false};
  std::thread worker;
};

class Event {
public:
  void record(Stream &stream);
  void wait(Stream &stream);

private:
  uint32_t issued = 0;
  WaitWord completed;
};

} // namespace colo::runtime

#endif // COLO_RUNTIME_STREAM_H
