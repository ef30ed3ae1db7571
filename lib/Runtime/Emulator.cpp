//===- Emulator.cpp - GPU kernels on the host --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every thread of a block has a stack. A thread runs until it waits or ends;
// then the scheduler, on the stack of the caller, goes on with the next one.
// Warps run in order, so a race between threads shows as a wrong result that
// is the same in every run.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Emulator.h"
#include "Half.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <sys/mman.h>
#include <vector>

#ifndef __x86_64__
#error "the emulator switches stacks on x86-64 only"
#endif

/// Saves the callee's registers and the stack pointer to *from and goes on where `to` was left.
extern "C" __attribute__((visibility("hidden"))) void colo_emulate_switch(void **from, void *to);
asm(R"(
  .text
  .p2align 4
  .hidden colo_emulate_switch
  .globl colo_emulate_switch
  .type colo_emulate_switch, @function
colo_emulate_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size colo_emulate_switch, .-colo_emulate_switch
)");

namespace colo::runtime {

namespace {

constexpr int64_t kWarp = 32;
/// A kernel's own variables, and what the C library's functions need.
constexpr size_t kStackBytes = 64 * 1024;

enum class State { Runs, Barrier, Shuffle, LoadMatrices, Multiply, Ended };

/// What the threads of a warp do together.
bool isOfWarp(State state) { return state != State::Runs && state != State::Barrier && state != State::Ended; }

const char *nameOf(State state) {
  switch (state) {
  case State::Barrier:
    return "barrier";
  case State::Shuffle:
    return "shuffle";
  case State::LoadMatrices:
    return "ldmatrix";
  default:
    return "mma";
  }
}

struct Fiber {
  void *stack = nullptr; ///< where it was left
  State state = State::Ended;
  int64_t site = 0;
  uint64_t value = 0; ///< of a shuffle, or a row's address
  int32_t offset = 0; ///< of a shuffle's partner, or which of two forms a matrix operation has
  uint32_t *words = nullptr;
};

template <typename Half> float widen(uint32_t bits) {
  Half half;
  half.bits = static_cast<uint16_t>(bits);
  return static_cast<float>(half);
}

/// The two elements of a word, the first of which is in its lower half.
void unpack(float *to, uint32_t word, bool isBf16) {
  auto *widenOne = isBf16 ? widen<BFloat16> : widen<Float16>;
  to[0] = widenOne(word & 0xFFFF);
  to[1] = widenOne(word >> 16);
}

class Emulator {
public:
  ~Emulator() {
    if (stacks)
      munmap(stacks, fibers.size() * kStackBytes);
  }

  void run(ColoKernel kernel, void **arguments, int64_t count, int64_t sharedBytes, int64_t begin, int64_t end,
           int64_t threads, const char *kernelName);
  void wait(State state);
  Fiber &self() { return fibers[current]; }

private:
  static void main();
  void grow(int64_t threads);
  void start(int64_t thread);
  void runBlock();
  void runWarp(int64_t first, int64_t last);
  void exchange(int64_t first, int64_t last);
  void loadMatrices(int64_t first);
  void multiply(int64_t first);
  [[noreturn]] void fail(int64_t waiting, int64_t other);

  std::vector<Fiber> fibers;
  std::vector<void *> slots;
  std::unique_ptr<double[]> shared;
  size_t sharedWords = 0;
  char *stacks = nullptr;
  void *scheduler = nullptr;
  int64_t current = 0, block = 0, threads = 0;
  ColoKernel body = nullptr;
  const char *name = "";
};

thread_local Emulator emulator;

/// A fiber must not keep the address of a thread's variable in a register.
__attribute__((noinline)) Emulator &own() { return emulator; }

} // namespace

void Emulator::main() {
  Emulator &here = own();
  here.body(here.slots.data(), here.block, here.current);
  here.wait(State::Ended);
  abort();
}

void Emulator::wait(State state) {
  self().state = state;
  colo_emulate_switch(&self().stack, scheduler);
}

void Emulator::grow(int64_t count) {
  if (static_cast<size_t>(count) <= fibers.size())
    return;
  if (stacks)
    munmap(stacks, fibers.size() * kStackBytes);
  void *memory =
      mmap(nullptr, count * kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    failProcess(Status::usage("no memory for the stacks of %lld emulated threads", static_cast<long long>(count)));
  stacks = static_cast<char *>(memory);
  fibers.assign(count, Fiber());
}

/// As if the thread had been left before its first instruction.
void Emulator::start(int64_t thread) {
  auto *top = reinterpret_cast<void **>(stacks + (thread + 1) * kStackBytes);
  *--top = nullptr; // main's return address, which keeps the stack aligned as after a call
  *--top = reinterpret_cast<void *>(&Emulator::main);
  for (int saved = 0; saved < 6; ++saved)
    *--top = nullptr;
  fibers[thread].stack = static_cast<void *>(top);
  fibers[thread].state = State::Runs;
}

void Emulator::fail(int64_t waiting, int64_t other) {
  failProcess(Status::internal("kernel %s, block %lld: thread %lld waits at %s %lld, which thread %lld does not reach",
                               name, static_cast<long long>(block), static_cast<long long>(waiting),
                               nameOf(fibers[waiting].state), static_cast<long long>(fibers[waiting].site),
                               static_cast<long long>(other)));
}

/// Values are taken before any thread of the warp goes on.
void Emulator::exchange(int64_t first, int64_t last) {
  uint64_t values[kWarp] = {};
  for (int64_t thread = first; thread < last; ++thread)
    values[thread - first] = fibers[thread].value;
  for (int64_t thread = first; thread < last; ++thread)
    fibers[thread].value = values[(thread - first) ^ fibers[thread].offset];
}

/// Each thread's words are its own, so what one reads no other has written.
void Emulator::loadMatrices(int64_t first) {
  for (int64_t lane = 0; lane < kWarp; ++lane)
    if (fibers[first + lane].value % 16)
      failProcess(Status::internal("kernel %s, block %lld: thread %lld has a row at an address that 16 does not divide "
                                   "at ldmatrix %lld",
                                   name, static_cast<long long>(block), static_cast<long long>(first + lane),
                                   static_cast<long long>(fibers[first + lane].site)));
  for (int64_t lane = 0; lane < kWarp; ++lane) {
    Fiber &fiber = fibers[first + lane];
    for (int64_t matrix = 0; matrix < 4; ++matrix) {
      uint32_t word = 0;
      for (int64_t half = 0; half < 2; ++half) {
        int64_t row = lane / 4, column = lane % 4 * 2 + half;
        if (fiber.offset)
          std::swap(row, column);
        auto *elements = reinterpret_cast<const uint16_t *>(fibers[first + 8 * matrix + row].value);
        word |= static_cast<uint32_t>(elements[column]) << (16 * half);
      }
      fiber.words[matrix] = word;
    }
  }
}

void Emulator::multiply(int64_t first) {
  constexpr int64_t kM = 16, kN = 8, kK = 16;
  float left[kM][kK], right[kN][kK];
  for (int64_t lane = 0; lane < kWarp; ++lane) {
    Fiber &fiber = fibers[first + lane];
    int64_t row = lane / 4, k = lane % 4 * 2;
    for (int64_t i = 0; i < 4; ++i)
      unpack(&left[row + 8 * (i % 2)][k + 8 * (i / 2)], fiber.words[i], fiber.offset);
    for (int64_t i = 0; i < 2; ++i)
      unpack(&right[row][k + 8 * i], fiber.words[4 + i], fiber.offset);
  }
  for (int64_t lane = 0; lane < kWarp; ++lane) {
    for (int64_t i = 0; i < 4; ++i) {
      uint32_t *word = &fibers[first + lane].words[6 + i];
      const float *a = left[lane / 4 + 8 * (i / 2)], *b = right[lane % 4 * 2 + i % 2];
      float sum = floatOf(*word);
      for (int64_t k = 0; k < kK; ++k)
        sum += a[k] * b[k];
      *word = bitsOf(sum);
    }
  }
}

void Emulator::runWarp(int64_t first, int64_t last) {
  for (;;) {
    int64_t one = -1, other = -1;
    for (int64_t thread = first; thread < last; ++thread) {
      if (fibers[thread].state == State::Runs) {
        current = thread;
        colo_emulate_switch(&scheduler, fibers[thread].stack);
      }
      if (isOfWarp(fibers[thread].state))
        one = thread;
    }
    if (one < 0)
      return;
    for (int64_t thread = first; thread < last; ++thread)
      if (fibers[thread].state != fibers[one].state || fibers[thread].site != fibers[one].site)
        other = thread;
    if (other >= 0 || last - first < kWarp)
      fail(one, other >= 0 ? other : last);
    State state = fibers[one].state;
    if (state == State::Shuffle)
      exchange(first, last);
    else if (state == State::LoadMatrices)
      loadMatrices(first);
    else
      multiply(first);
    for (int64_t thread = first; thread < last; ++thread)
      fibers[thread].state = State::Runs;
  }
}

void Emulator::runBlock() {
  // Reading what nobody has written shows as NaN.
  std::memset(shared.get(), 0xff, sharedWords * sizeof(double));
  for (int64_t thread = 0; thread < threads; ++thread)
    start(thread);
  for (;;) {
    for (int64_t first = 0; first < threads; first += kWarp)
      runWarp(first, std::min(first + kWarp, threads));
    int64_t waiting = -1, other = -1;
    for (int64_t thread = 0; thread < threads; ++thread)
      if (fibers[thread].state == State::Barrier)
        waiting = thread;
    if (waiting < 0)
      return;
    for (int64_t thread = 0; thread < threads; ++thread)
      if (fibers[thread].state != State::Barrier || fibers[thread].site != fibers[waiting].site)
        other = thread;
    if (other >= 0)
      fail(waiting, other);
    for (int64_t thread = 0; thread < threads; ++thread)
      fibers[thread].state = State::Runs;
  }
}

void Emulator::run(ColoKernel kernel, void **arguments, int64_t count, int64_t sharedBytes, int64_t begin, int64_t end,
                   int64_t blockThreads, const char *kernelName) {
  grow(blockThreads);
  size_t words = sharedBytes / sizeof(double) + 1;
  if (words > sharedWords) {
    shared.reset(new double[words]);
    sharedWords = words;
  }
  body = kernel;
  threads = blockThreads;
  name = kernelName;
  slots.assign(arguments, arguments + count);
  slots.push_back(shared.get());
  for (block = begin; block < end; ++block)
    runBlock();
}

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" void colo_emulate(ColoKernel thread, void **arguments, int64_t count, int64_t sharedBytes, int64_t begin,
                             int64_t end, int64_t threads, const char *kernel) {
  own().run(thread, arguments, count, sharedBytes, begin, end, threads, kernel);
}

extern "C" void colo_emulate_barrier(int64_t site) {
  own().self().site = site;
  own().wait(State::Barrier);
}

extern "C" uint64_t colo_emulate_shuffle(uint64_t value, int32_t offset) {
  Fiber &fiber = own().self();
  fiber.value = value;
  fiber.site = 0;
  fiber.offset = offset & (kWarp - 1);
  own().wait(State::Shuffle);
  return fiber.value;
}

extern "C" void colo_emulate_load_matrices(uint32_t *words, uint64_t row, int64_t site, int32_t transposes) {
  Fiber &fiber = own().self();
  fiber.words = words;
  fiber.value = row;
  fiber.site = site;
  fiber.offset = transposes;
  own().wait(State::LoadMatrices);
}

extern "C" void colo_emulate_multiply(uint32_t *words, int64_t site, int32_t isBf16) {
  Fiber &fiber = own().self();
  fiber.words = words;
  fiber.site = site;
  fiber.offset = isBf16;
  own().wait(State::Multiply);
}
