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

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace colo::runtime {

constexpr uint64_t paint = 0x7FD5A5C37FD5A5C3u; // a quiet NaN in both halves and as a whole

const char *Arena::name(int region) {
  static const char *const names[RegionCount] = {"params", "grads", "state", "workspace", "inputs", "frame"};
  return names[region];
}

Arena::~Arena() {
  if (base)
    munmap(base, offsets[RegionCount]);
}

Status Arena::allocate(const int64_t (&bytes)[RegionCount]) {
  for (int i = 0; i < RegionCount; ++i) {
    sizes[i] = roundTo64(bytes[i]);
    if (__builtin_add_overflow(offsets[i], sizes[i], &offsets[i + 1]))
      return Status::internal("the arena's size does not fit 64 bits");
  }
  offsets[RegionCount] = (offsets[RegionCount] + 4095) / 4096 * 4096 + 4096;
  void *mapped = mmap(nullptr, offsets[RegionCount], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    return Status::usage("no memory for an arena of %lld bytes per rank: %s",
                         static_cast<long long>(offsets[RegionCount]), std::strerror(errno));
  base = static_cast<char *>(mapped);
  madvise(base, offsets[RegionCount], MADV_HUGEPAGE); // a hint: products walk far apart rows
  return Status::ok();
}

void Arena::paintWorkspace() {
  auto *words = reinterpret_cast<uint64_t *>(begin(Workspace));
  for (int64_t i = 0; i < sizes[Workspace] / 8; ++i)
    words[i] = paint;
}

int64_t Arena::paintedHighWater() const {
  auto *words = reinterpret_cast<const uint64_t *>(begin(Workspace));
  int64_t used = sizes[Workspace] / 8;
  while (used > 0 && words[used - 1] == paint)
    --used;
  return used * 8;
}

} // namespace colo::runtime
