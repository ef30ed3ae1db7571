//===- Board.cpp - what the ranks of a host have reached -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Board.h. New memory is zero, which is what every field starts with.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Board.h"
#include "colo/Runtime/Status.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace colo::runtime::cuda {

static constexpr size_t kHeaderBytes = 64;

static void *mapShared(const std::string &name, size_t bytes) {
  int file = shm_open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0)
    return MAP_FAILED;
  void *memory = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(bytes)) == 0)
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return memory;
}

Board::Board(const std::string &name, int64_t ranks, int64_t comms) : name(name), rankCount(ranks), commCount(comms) {
  static_assert(std::atomic<int32_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);
  bytes = kHeaderBytes + ranks * sizeof(RankProgress) + ranks * comms * sizeof(CommProgress);
  memory = mapShared(name, bytes);
  if (memory == MAP_FAILED)
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    failProcess(Status::usage("no memory for %zu bytes that ranks share: %s", bytes, std::strerror(errno)));
  auto *begin = static_cast<char *>(memory);
  speaker = reinterpret_cast<std::atomic<int32_t> *>(begin);
  rows = reinterpret_cast<RankProgress *>(begin + kHeaderBytes);
  cells = reinterpret_cast<CommProgress *>(rows + ranks);
}

Board::~Board() {
  hideName();
  munmap(memory, bytes);
}

void Board::hideName() { shm_unlink(name.c_str()); }

bool Board::claimSpeech() { return speaker->exchange(1) == 0; }

/// A process that has ended and that nobody has waited for still has its number.
static bool isZombie(int32_t process) {
  char path[64], line[512];
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  size_t length = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[length] = '\0';
  const char *name = std::strrchr(line, ')');
  return name && name[1] && (name[2] == 'Z' || name[2] == 'X');
}

bool Board::isAlive(int64_t rank) const {
  int32_t process = rows[rank].process;
  return process == 0 || ((kill(process, 0) == 0 || errno != ESRCH) && !isZombie(process));
}

} // namespace colo::runtime::cuda
