//===- Stream.cpp - streams and events on the CPU ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One producer and one consumer per stream: `submitted` and `finished` count
// tasks, their difference never exceeds the ring.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Stream.h"

#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace colo::runtime {

void WaitWord::wake() {
  if (sleepers.load(std::memory_order_seq_cst) != 0)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void WaitWord::store(uint32_t v) {
  value.store(v, std::memory_order_seq_cst);
  wake();
}

void WaitWord::add(uint32_t v) {
  value.fetch_add(v, std::memory_order_seq_cst);
  wake();
}

static std::atomic<bool> coresShared{false};
void WaitWord::setCoresShared(bool shared) { coresShared.store(shared, std::memory_order_relaxed); }

void WaitWord::waitChange(uint32_t seen, int milliseconds, Other other) {
  // A teammate has a core of its own unless the machine is busy, and giving this one away would then cost the rank
  // its turn. Another rank that shares the core cannot arrive while this one looks: it needs the core.
  int looks = other == Other::Teammate ? 2000 : coresShared.load(std::memory_order_relaxed) ? 0 : 200;
  int yields = other == Other::Teammate ? 0 : 3;
  for (int i = 0; i < looks; ++i) {
    if (load() != seen)
      return;
    __builtin_ia32_pause();
  }
  for (int i = 0; i < yields; ++i) {
    sched_yield();
    if (load() != seen)
      return;
  }
  timespec limit{milliseconds / 1000, (milliseconds % 1000) * 1000000L};
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  if (value.load(std::memory_order_seq_cst) == seen)
    syscall(SYS_futex, reinterpret_cast<uint32_t *>(&value), FUTEX_WAIT_PRIVATE, seen, &limit, nullptr, 0);
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

Stream::Stream(bool synchronous) {
  if (synchronous)
    return;
  ring.resize(capacity);
  worker = std::thread([this] { work(); });
}

Stream::~Stream() {
  if (!worker.joinable())
    return;
  synchronize();
  stopping.store(true, std::memory_order_release);
  submitted.add(1);
  worker.join();
}

void Stream::push(const Task &task) {
  if (isSynchronous()) {
    Task copy = task;
    copy.run(copy.payload);
    return;
  }
  uint32_t index = submitted.load();
  for (uint32_t done = finished.load(); index - done >= capacity; done = finished.load())
    finished.waitChange(done, 1000);
  ring[index % capacity] = task;
  submitted.add(1);
}

void Stream::synchronize() {
  if (isSynchronous())
    return;
  uint32_t target = submitted.load();
  for (uint32_t done = finished.load(); done != target; done = finished.load())
    finished.waitChange(done, 1000);
}

void Stream::work() {
  for (uint32_t next = 0;; ++next) {
    while (submitted.load() == next)
      submitted.waitChange(next, 1000);
    if (stopping.load(std::memory_order_acquire))
      return;
    Task &task = ring[next % capacity];
    task.run(task.payload);
    finished.add(1);
  }
}

namespace {
struct EventTask {
  WaitWord *completed;
  uint32_t ticket;
};
} // namespace

static void completeEvent(EventTask *task) { task->completed->store(task->ticket); }

static void awaitEvent(EventTask *task) {
  for (uint32_t done = task->completed->load(); static_cast<int32_t>(done - task->ticket) < 0;
       done = task->completed->load())
    task->completed->waitChange(done, 1000);
}

void Event::record(Stream &stream) { stream.submit<completeEvent>(EventTask{&completed, ++issued}); }

void Event::wait(Stream &stream) { stream.submit<awaitEvent>(EventTask{&completed, issued}); }

} // namespace colo::runtime
