//===- Arena.cpp - the one allocation of a rank ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Arena.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Arena.h"

#include <algorithm>
#include <vector>

namespace colo::runtime {

/// Bytes that are painted or looked at in one go.
constexpr int64_t kPiece = 1 << 20;
constexpr uint64_t paint = 0x7FD5A5C37FD5A5C3u; // a quiet NaN in both halves and as a whole

const char *Arena::name(int region) {
  static const char *const names[RegionCount] = {"params", "copies",  "grads", "state",  "workspace",
                                                 "inputs", "staging", "frame", "scratch"};
  return names[region];
}

Status Arena::allocate(Device &on, const int64_t (&bytes)[RegionCount]) {
  device = &on;
  for (int i = 0; i < RegionCount; ++i) {
    sizes[i] = roundTo64(bytes[i]);
    if (__builtin_add_overflow(offsets[i], roundTo(kScratchAlignment, sizes[i]), &offsets[i + 1]))
      return Status::internal("the arena's size does not fit 64 bits");
  }
  offsets[RegionCount] = roundTo(4096, offsets[RegionCount]) + 4096;
  return device->allocate(offsets[RegionCount], base);
}

void Arena::paintWorkspace() {
  std::vector<uint64_t> words(std::min<int64_t>(sizes[Workspace], kPiece) / 8, paint);
  auto *painted = reinterpret_cast<const char *>(words.data());
  for (int64_t at = 0; at < sizes[Workspace]; at += kPiece)
    device->write(begin(Workspace) + at, painted, std::min(kPiece, sizes[Workspace] - at));
}

int64_t Arena::paintedHighWater() const {
  for (int64_t end = sizes[Workspace]; end > 0;) {
    int64_t size = std::min(kPiece, end);
    HostView piece(*device, begin(Workspace) + end - size, size, HostView::Reads);
    auto *words = reinterpret_cast<const uint64_t *>(piece.data());
    for (int64_t used = size / 8; used > 0; --used)
      if (words[used - 1] != paint)
        return end - size + used * 8;
    end -= size;
  }
  return 0;
}

} // namespace colo::runtime
