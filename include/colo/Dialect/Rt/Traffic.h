//===- Traffic.h - what leaves the members of a group -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Bytes and messages, counted by the rule of docs/communication.md.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_RT_TRAFFIC_H
#define COLO_DIALECT_RT_TRAFFIC_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <vector>

namespace colo {

/// What leaves a rank.
struct Traffic {
  int64_t bytes = 0, messages = 0;
  /// By bytes, then by messages.
  bool operator<(const Traffic &other) const {
    return bytes != other.bytes ? bytes < other.bytes : messages < other.messages;
  }
  bool operator==(const Traffic &other) const { return bytes == other.bytes && messages == other.messages; }
  Traffic operator+(const Traffic &other) const { return {bytes + other.bytes, messages + other.messages}; }
  Traffic operator*(int64_t times) const { return {bytes * times, messages * times}; }
};

/// What the members of a group send, in their order: neighbours that send alike are one run.
class GroupTraffic {
public:
  struct Run {
    int64_t members;
    Traffic each;
  };

  /// `starts` rise from 0; from one to the next, members send alike.
  GroupTraffic(int64_t members, llvm::ArrayRef<int64_t> starts, llvm::function_ref<Traffic(int64_t)> sentBy);

  llvm::ArrayRef<Run> getRuns() const { return runs; }
  int64_t members() const;
  Traffic of(int64_t member) const;
  /// Of the member that sends most bytes; of several, of one with most messages.
  Traffic most() const;
  /// Of groups of equal size.
  GroupTraffic operator+(const GroupTraffic &other) const;
  GroupTraffic operator*(int64_t times) const;

private:
  std::vector<int64_t> starts() const;
  std::vector<Run> runs;
};

} // namespace colo

#endif // COLO_DIALECT_RT_TRAFFIC_H
