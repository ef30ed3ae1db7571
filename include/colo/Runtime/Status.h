//===- Status.h - errors of the runtime as values ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every function of the runtime that can fail returns a Status. Its code is the
// exit code of the executable and its message is the one line that the user
// reads: the fact, the place (file, offset, record, rank) and what would fit.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_STATUS_H
#define COLO_RUNTIME_STATUS_H

#include <string>

namespace colo::runtime {

/// Exit codes of an executable, shared with the compiler's drivers.
enum ExitCode { ExitDone = 0, ExitUser = 1, ExitUsage = 2, ExitInternal = 70 };

struct [[nodiscard]] Status {
  int code = ExitDone;
  std::string message;

  bool failed() const { return code != ExitDone; }

  static Status ok() { return {}; }
  /// The user's input is wrong: data, parameters, divergence.
  static Status user(const char *format, ...) __attribute__((format(printf, 1, 2)));
  /// The command line or the environment does not fit the program.
  static Status usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
  /// A promise of the runtime or of the emitted code is broken.
  static Status internal(const char *format, ...) __attribute__((format(printf, 1, 2)));
};

/// printf into a string.
std::string formatString(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Prints `message` once per process as an error line and ends the process with
/// `code`. Ranks are threads that may be anywhere in emitted code, which cannot
/// be unwound, so this is how a running rank stops all others. Safe to call from
/// any thread; the first caller's message wins.
[[noreturn]] void failProcess(const Status &status);

/// What failProcess calls, on its thread, before it ends the process.
void actBeforeFailure(void (*act)());

} // namespace colo::runtime

#endif // COLO_RUNTIME_STATUS_H
