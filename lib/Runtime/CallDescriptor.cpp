//===- CallDescriptor.cpp - what the ranks of a call must agree on -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See CallDescriptor.h; and the names and sizes of NCCL's types.
//
//===----------------------------------------------------------------------===//

#include "CallDescriptor.h"
#include "colo/Runtime/Status.h"

#include <cstring>

namespace colo::runtime {

size_t typeBytes(ncclDataType_t type) {
  static const size_t bytes[ncclNumTypes] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return type < ncclNumTypes ? bytes[type] : 0;
}

const char *typeName(ncclDataType_t type) {
  static const char *const names[ncclNumTypes] = {"i8", "u8", "i32", "u32", "i64", "u64", "f16", "f32", "f64", "bf16"};
  return type < ncclNumTypes ? names[type] : "unknown type";
}

const char *redOpName(ncclRedOp_t op) {
  static const char *const names[ncclNumOps] = {"sum", "prod", "max", "min", "avg"};
  return op < ncclNumOps ? names[op] : "unknown op";
}

int64_t ringAllReduceSent(int64_t count, int ranks, int rank) {
  if (ranks <= 1)
    return 0;
  return 2 * count - static_cast<int64_t>(chunkSize(count, ranks, (rank + 1) % ranks)) -
         static_cast<int64_t>(chunkSize(count, ranks, (rank + 2) % ranks));
}

static const char *kindName(Kind kind) {
  static const char *const names[] = {"all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce",
                                      "all_to_all", "split",      "send",           "receive"};
  return names[static_cast<int>(kind)];
}

static bool reduces(Kind kind) {
  return kind == Kind::AllReduce || kind == Kind::ReduceScatter || kind == Kind::Reduce;
}
static bool hasRoot(Kind kind) { return kind == Kind::Broadcast || kind == Kind::Reduce; }

std::string describe(const Descriptor &d) {
  std::string text = kindName(d.kind);
  if (d.kind != Kind::Split)
    text += formatString(" of %zu %s", d.count, typeName(d.type));
  if (reduces(d.kind))
    text += formatString(" (%s)", redOpName(d.op));
  if (hasRoot(d.kind))
    text += formatString(" with root %d", d.root);
  if (d.site && *d.site)
    text += formatString(" at %s", d.site);
  return text;
}

PostedCall post(const Descriptor &d) {
  PostedCall posted{static_cast<int32_t>(d.kind), d.type, d.op, d.root, d.count, ""};
  if (d.site)
    std::strncpy(posted.site, d.site, sizeof posted.site - 1);
  return posted;
}

Descriptor unpost(const PostedCall &p) {
  return {static_cast<Kind>(p.kind),
          static_cast<ncclDataType_t>(p.type),
          static_cast<ncclRedOp_t>(p.op),
          p.root,
          p.count,
          nullptr,
          nullptr,
          p.site};
}

bool agree(const Descriptor &a, const Descriptor &b) {
  if (a.kind != b.kind)
    return false;
  if (a.kind == Kind::Split)
    return true;
  return a.count == b.count && a.type == b.type && (!reduces(a.kind) || a.op == b.op) &&
         (!hasRoot(a.kind) || a.root == b.root);
}

} // namespace colo::runtime
