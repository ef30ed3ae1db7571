//===- AllocationTest.cpp - nothing is allocated after start -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts every call of the process's allocator while steps run. The allocator is
// glibc's, entered through functions of the same names here; the counter only
// runs between the first and the last call of the program's step.
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "RegressionProgram.h"

#include <atomic>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <string_view>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COLO_SANITIZED 1
#endif
#endif

#ifndef COLO_SANITIZED

namespace {
std::atomic<bool> watching{false};
std::atomic<int> others{0}, byOneDnn{0};

/// Allocations of oneDNN's calls are told from ours by who asked.
void note(void *caller) {
  if (!watching.load(std::memory_order_relaxed))
    return;
  Dl_info info;
  bool isOneDnn = dladdr(caller, &info) && info.dli_fname &&
                  std::string_view(info.dli_fname).find("libdnnl") != std::string_view::npos;
  ++(isOneDnn ? byOneDnn : others);
}
} // namespace

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void *malloc(size_t bytes) {
  note(__builtin_return_address(0));
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  note(__builtin_return_address(0));
  return __libc_calloc(count, bytes);
}
void *realloc(void *old, size_t bytes) {
  note(__builtin_return_address(0));
  return __libc_realloc(old, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  note(__builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **pointer, size_t alignment, size_t bytes) {
  note(__builtin_return_address(0));
  *pointer = __libc_memalign(alignment, bytes);
  return *pointer ? 0 : 12;
}
}

// The shared library's operator new would hide who asked.
void *operator new(size_t bytes) {
  note(__builtin_return_address(0));
  return __libc_malloc(bytes ? bytes : 1);
}
void operator delete(void *pointer) noexcept { free(pointer); }
void operator delete(void *pointer, size_t) noexcept { free(pointer); }

using namespace colo::runtime::testing;

namespace {

void (*wrappedStep)(ColoFrame *) = nullptr;

/// From the second step to the last, on all ranks.
void watchedStep(ColoFrame *frame) {
  if (frame->step == 2)
    watching = true;
  wrappedStep(frame);
  if (frame->step == 17)
    watching = false;
}

void countDuringSteps(int32_t dtype, int64_t threads) {
  Folder folder;
  RegressionShape shape;
  shape.dtype = dtype;
  RegressionProgram program(shape);
  ColoProgram copy = *program.get();
  wrappedStep = copy.step;
  copy.step = watchedStep;
  others = byOneDnn = 0;
  std::vector<std::string> flags = {"EXE",
                                    "--data=synthetic:40",
                                    "--ranks=2",
                                    "--steps=20",
                                    "--quiet",
                                    "--threads=" + std::to_string(threads),
                                    "--log=" + (folder / "log")};
  std::vector<char *> argv;
  for (std::string &flag : flags)
    argv.push_back(flag.data());
  EXPECT_EQ(colo_main(static_cast<int>(argv.size()), argv.data(), &copy), 0);
}

TEST(Allocation, theCounterCounts) {
  others = 0;
  watching = true;
  ::operator delete(::operator new(8));
  free(malloc(8));
  watching = false;
  EXPECT_EQ(others, 2);
}

TEST(Allocation, stepsInF64AllocateNothing) {
  countDuringSteps(COLO_F64, 1);
  EXPECT_EQ(others, 0);
  EXPECT_EQ(byOneDnn, 0);
}

TEST(Allocation, stepsInF32AllocateNothingButOneDnnsArgumentTables) {
  countDuringSteps(COLO_F32, 1);
  EXPECT_EQ(others, 0);
  EXPECT_GT(byOneDnn, 0); // or the counter does not see the ranks
}

TEST(Allocation, threadsInsideARankAllocateNothing) {
  countDuringSteps(COLO_F64, 2);
  EXPECT_EQ(others, 0);
}

} // namespace

#endif // COLO_SANITIZED
