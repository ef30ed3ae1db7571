//===- CallDescriptor.h - what the ranks of a call must agree on -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shared by the hosts' providers: the arguments of one call, how they read in a
// message, and when two ranks make the same call.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CALLDESCRIPTOR_H
#define COLO_LIB_RUNTIME_CALLDESCRIPTOR_H

#include "colo/Runtime/Comm.h"

#include <string>

namespace colo::runtime {

enum class Kind { AllReduce, AllGather, ReduceScatter, Broadcast, Reduce, AllToAll, Split, Send, Recv };

struct Descriptor {
  Kind kind;
  ncclDataType_t type;
  ncclRedOp_t op;
  int root; ///< peer of send and receive; key of a split
  size_t count;
  const void *send;
  void *recv;
  const char *site;
};

/// "all_reduce of 10 f32 (sum) at SITE"
std::string describe(const Descriptor &descriptor);

/// A descriptor as it travels between processes; a long place is cut.
struct PostedCall {
  int32_t kind, type, op, root;
  uint64_t count;
  char site[104];
};
PostedCall post(const Descriptor &descriptor);
/// Without memory; the place is that of `posted`.
Descriptor unpost(const PostedCall &posted);

/// True if both ranks make the same call (a split only by its kind).
bool agree(const Descriptor &a, const Descriptor &b);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_CALLDESCRIPTOR_H
