//===- Streams.cpp - streams and events -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Double.h.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <chrono>
#include <cstdlib>

void Completion::set() {
  std::lock_guard<std::mutex> lock(mutex);
  nanoseconds = std::chrono::steady_clock::now().time_since_epoch().count();
  done = true;
  changed.notify_all();
}

void Completion::wait() {
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [&] { return done; });
}

CUstream_st::CUstream_st(unsigned seed) : random(seed), thread([this] { work(); }) {}

void CUstream_st::demandCopies() {
  if (copies)
    copies->set();
  copies = nullptr;
}

CUstream_st::~CUstream_st() {
  demandCopies();
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  thread.join();
}

void CUstream_st::submit(std::function<void()> task) {
  if (capture) {
    capture->nodes.push_back({this, last, capture->next, std::move(task)});
    capture->next = CUgraph_st::Other;
    last = {capture->nodes.size() - 1};
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex);
    tasks.push_back(std::move(task));
    ++submitted;
  }
  changed.notify_all();
}

void CUstream_st::synchronize() {
  std::unique_lock<std::mutex> lock(mutex);
  uint64_t last = submitted;
  changed.wait(lock, [&] { return finished >= last; });
}

void CUstream_st::work() {
  const char *delay = std::getenv("COLO_DOUBLE_DELAY");
  int most = delay ? std::atoi(delay) : 0;
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return stopping || !tasks.empty(); });
      if (tasks.empty())
        return;
      task = std::move(tasks.front());
      tasks.pop_front();
    }
    if (most)
      std::this_thread::sleep_for(std::chrono::microseconds(random() % most));
    task();
    {
      std::lock_guard<std::mutex> lock(mutex);
      ++finished;
    }
    changed.notify_all();
  }
}
