//===- Faults.cpp - ranks that stop -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See COLO_DOUBLE_FAULT in Double.h.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace colo_double {

namespace {
struct Fault {
  char kind[16] = "";
  int device = -1;
  long long launch = 0;
  std::atomic<bool> met{false};
  Fault() {
    const char *asked = std::getenv("COLO_DOUBLE_FAULT");
    if (asked && sscanf(asked, "%15[^:]:%d:%lld", kind, &device, &launch) != 3)
      fail("COLO_DOUBLE_FAULT is KIND:DEVICE:N");
  }
  bool is(const char *name) const { return std::strcmp(kind, name) == 0; }
};
} // namespace

static Fault &fault() {
  static Fault instance;
  return instance;
}

void stopHere() {
  for (;;)
    pause();
}

int64_t meetFault(int64_t launches) {
  Fault &asked = fault();
  int64_t which = asked.launch - 1 - context().launches;
  if (asked.device != context().number || which < 0 || which >= launches)
    return -1;
  asked.met = true;
  if (asked.is("host") || asked.is("lost"))
    stopHere();
  return which;
}

bool hasAsyncError(int device) {
  const Fault &asked = fault();
  return asked.met && ((asked.is("error") && device == asked.device) || (asked.is("lost") && device != asked.device));
}

} // namespace colo_double
