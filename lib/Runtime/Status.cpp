//===- Status.cpp - errors of the runtime as values --------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Status.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Status.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <unistd.h>

namespace colo::runtime {

static std::string formatArguments(const char *format, va_list arguments) {
  va_list copy;
  va_copy(copy, arguments);
  int length = vsnprintf(nullptr, 0, format, copy);
  va_end(copy);
  std::string text(length > 0 ? length : 0, '\0');
  if (length > 0)
    vsnprintf(text.data(), text.size() + 1, format, arguments);
  return text;
}

std::string formatString(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::string text = formatArguments(format, arguments);
  va_end(arguments);
  return text;
}

#define COLO_STATUS(NAME, CODE)                                                                                        \
  Status Status::NAME(const char *format, ...) {                                                                       \
    va_list arguments;                                                                                                 \
    va_start(arguments, format);                                                                                       \
    Status status{CODE, formatArguments(format, arguments)};                                                           \
    va_end(arguments);                                                                                                 \
    return status;                                                                                                     \
  }
COLO_STATUS(user, ExitUser)
COLO_STATUS(usage, ExitUsage)
COLO_STATUS(internal, ExitInternal)
#undef COLO_STATUS

static std::atomic<void (*)()> beforeFailure{nullptr};

void actBeforeFailure(void (*act)()) { beforeFailure = act; }

void failProcess(const Status &status) {
  static std::atomic<bool> failing{false};
  if (failing.exchange(true)) {
    for (;;)
      pause(); // the first caller is ending the process
  }
  fflush(stdout);
  fprintf(stderr, "%s: error: %s\n", status.code == ExitInternal ? "colo (internal)" : "colo", status.message.c_str());
  fflush(stderr);
  if (void (*act)() = beforeFailure)
    act();
  _exit(status.code);
}

} // namespace colo::runtime
