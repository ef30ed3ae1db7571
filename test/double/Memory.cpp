//===- Memory.cpp - memory of devices -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A file in memory is mapped twice: without any rights where the program thinks
// that it is, and readable and writable elsewhere.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <cstring>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

namespace colo_double {

namespace {
struct Piece {
  size_t bytes = 0;
  char *alias = nullptr;
};
std::mutex mutex;
std::map<Address, Piece> pieces;
std::map<Address, size_t> locked;
} // namespace

Address allocateDevice(size_t bytes) {
  size_t whole = (bytes + 4095) / 4096 * 4096;
  int file = memfd_create("device", 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(whole)))
    fail("no memory for a device");
  void *hidden = mmap(nullptr, whole, PROT_NONE, MAP_SHARED, file, 0);
  void *alias = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (hidden == MAP_FAILED || alias == MAP_FAILED)
    fail("no memory for a device");
  std::memset(alias, 0xff, whole);
  auto address = reinterpret_cast<Address>(hidden);
  std::lock_guard<std::mutex> lock(mutex);
  pieces[address] = {bytes, static_cast<char *>(alias)};
  return address;
}

void freeDevice(Address address) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = pieces.find(address);
  if (it == pieces.end())
    fail("cuMemFree of what was not allocated");
  size_t whole = (it->second.bytes + 4095) / 4096 * 4096;
  munmap(it->second.alias, whole);
  munmap(reinterpret_cast<void *>(address), whole);
  pieces.erase(it);
}

/// The piece that an address lies in; past its end is allowed for arguments of kernels that touch nothing there.
static const std::pair<const Address, Piece> *pieceOf(Address address) {
  auto it = pieces.upper_bound(address);
  if (it == pieces.begin())
    return nullptr;
  --it;
  return address <= it->first + it->second.bytes ? &*it : nullptr;
}

bool isDevice(Address address) {
  std::lock_guard<std::mutex> lock(mutex);
  return pieceOf(address);
}

void *visible(Address address, size_t bytes, const char *call) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto *piece = pieceOf(address);
  if (!piece || address + bytes > piece->first + piece->second.bytes)
    fail(std::string(call) + " touches what is not a device's memory");
  return piece->second.alias + (address - piece->first);
}

void *allocateLocked(size_t bytes) {
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    fail("no locked memory");
  std::memset(memory, 0xff, bytes);
  std::lock_guard<std::mutex> lock(mutex);
  locked[reinterpret_cast<Address>(memory)] = bytes;
  return memory;
}

void freeLocked(void *memory) {
  std::lock_guard<std::mutex> lock(mutex);
  auto it = locked.find(reinterpret_cast<Address>(memory));
  if (it == locked.end())
    fail("cuMemFreeHost of what was not allocated");
  munmap(memory, it->second);
  locked.erase(it);
}

bool isLocked(const void *memory, size_t bytes) {
  auto address = reinterpret_cast<Address>(memory);
  std::lock_guard<std::mutex> lock(mutex);
  auto it = locked.upper_bound(address);
  if (it == locked.begin())
    return false;
  --it;
  return address + bytes <= it->first + it->second;
}

} // namespace colo_double
