//===- Data.cpp - training and evaluation data -------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What all data sets share: order, ids, files, and choosing by spec.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"
#include "colo/Runtime/Philox.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace colo::runtime {

Permutation::Permutation(uint64_t size, uint64_t seed, uint64_t epoch) : size(size), halfBits(1) {
  while (halfBits < 32 && (uint64_t(1) << (2 * halfBits)) < size)
    ++halfBits;
  PhiloxBlock key = randomBlock(seed, epoch, hashName("data order"), dataStep);
  keys[0] = key.word[0] | static_cast<uint64_t>(key.word[1]) << 32;
  keys[1] = key.word[2] | static_cast<uint64_t>(key.word[3]) << 32;
}

uint64_t Permutation::permuteDomain(uint64_t index) const {
  uint64_t mask = (uint64_t(1) << halfBits) - 1;
  uint64_t left = index >> halfBits, right = index & mask;
  for (uint64_t round = 0; round < 8; ++round) {
    uint64_t mixed = right ^ (keys[round & 1] + round * 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCDu;
    mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53u;
    uint64_t next = left ^ ((mixed ^ (mixed >> 33)) & mask);
    left = right;
    right = next;
  }
  return left << halfBits | right;
}

uint64_t Permutation::operator()(uint64_t index) const {
  do
    index = permuteDomain(index);
  while (index >= size);
  return index;
}

int64_t rowElements(const ColoInput &input) {
  int64_t elements = 1;
  for (int i = 1; i < input.rank; ++i)
    elements *= input.shape[i];
  return elements;
}

int64_t typeSize(int32_t dtype) {
  static const int64_t sizes[] = {4, 8, 4, 8, 1, 2, 2};
  return sizes[dtype];
}

void storeNumber(int32_t dtype, void *row, int64_t index, double value) {
  if (dtype == COLO_F32)
    static_cast<float *>(row)[index] = static_cast<float>(value);
  else
    static_cast<double *>(row)[index] = value;
}

Status storeIds(const ColoInput &input, const int64_t *ids, int64_t count, const std::string &source, int64_t record,
                void *row) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t id = ids[i];
    bool ignored = input.ignoreIndex != INT64_MIN && id == input.ignoreIndex;
    if (input.classes > 0 && !ignored && (id < 0 || id >= input.classes))
      return Status::user("%s: record %lld: value %lld is outside [0, %lld) of input '%s'", source.c_str(),
                          static_cast<long long>(record), static_cast<long long>(id),
                          static_cast<long long>(input.classes), input.name);
    if (input.dtype == COLO_I32)
      static_cast<int32_t *>(row)[i] = static_cast<int32_t>(id);
    else if (input.dtype == COLO_I64)
      static_cast<int64_t *>(row)[i] = id;
    else
      static_cast<int8_t *>(row)[i] = static_cast<int8_t>(id);
  }
  return Status::ok();
}

FileBytes::~FileBytes() {
  if (mapped)
    munmap(mapped, mappedLength);
}

Status FileBytes::open(const std::string &path) {
  struct stat info;
  auto problem = [&](bool failed) {
    return failed                   ? std::strerror(errno)
           : S_ISDIR(info.st_mode)  ? "is a directory"
           : !S_ISREG(info.st_mode) ? "is not a regular file"
                                    : nullptr;
  };
  // To open a pipe would wait for its writer, and take what it writes.
  if (const char *wrong = problem(stat(path.c_str(), &info) != 0))
    return Status::user("%s: %s", path.c_str(), wrong);
  int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0)
    return Status::user("%s: %s", path.c_str(), std::strerror(errno));
  const char *wrong = problem(fstat(file, &info) != 0);
  if (!wrong && info.st_size == 0)
    wrong = "the file is empty";
  if (!wrong) {
    mappedLength = info.st_size;
    mapped = mmap(nullptr, mappedLength, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED) {
      mapped = nullptr;
      wrong = std::strerror(errno);
    }
  }
  close(file);
  if (wrong)
    return Status::user("%s: %s", path.c_str(), wrong);
  bytes = static_cast<const unsigned char *>(mapped);
  length = mappedLength;
  if (length >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
    return unpack(path);
  return Status::ok();
}

Status FileBytes::unpack(const std::string &path) {
  constexpr size_t limit = size_t(4) << 30;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return Status::internal("zlib does not start");
  stream.next_in = const_cast<unsigned char *>(bytes);
  size_t fed = 0, produced = 0;
  int result = Z_OK;
  while (result == Z_OK) {
    if (stream.avail_in == 0 && fed < length) {
      stream.next_in = const_cast<unsigned char *>(bytes) + fed;
      stream.avail_in = static_cast<uInt>(std::min<size_t>(length - fed, 1u << 30));
      fed += stream.avail_in;
    }
    unpacked.resize(std::max<size_t>(produced + (1 << 16), unpacked.size() + unpacked.size() / 2));
    stream.next_out = unpacked.data() + produced;
    stream.avail_out = static_cast<uInt>(std::min<size_t>(unpacked.size() - produced, 1u << 30));
    uInt room = stream.avail_out;
    result = inflate(&stream, Z_NO_FLUSH);
    produced += room - stream.avail_out;
    if (produced > limit)
      result = Z_MEM_ERROR;
    // A gzip file is one member or several, one after the other (RFC 1952).
    const unsigned char *rest = bytes + fed - stream.avail_in;
    if (result == Z_STREAM_END && rest != bytes + length) {
      bool isMember = bytes + length - rest >= 2 && rest[0] == 0x1f && rest[1] == 0x8b;
      result = isMember ? inflateReset(&stream) : Z_DATA_ERROR;
      if (!isMember)
        stream.msg = const_cast<char *>("other bytes follow its end");
    }
  }
  const char *detail = result == Z_BUF_ERROR   ? "the data ends early"
                       : result == Z_MEM_ERROR ? "unpacks to more than 4 GiB"
                       : stream.msg            ? stream.msg
                                               : "damaged";
  inflateEnd(&stream);
  if (result != Z_STREAM_END)
    return Status::user("%s: broken gzip file: %s", path.c_str(), detail);
  if (produced == 0)
    return Status::user("%s: the file is empty", path.c_str());
  unpacked.resize(produced);
  bytes = unpacked.data();
  length = produced;
  return Status::ok();
}

/// The first of PATH and PATH.gz that exists; PATH if neither does.
static std::string plainOrPacked(const std::string &path) {
  return access(path.c_str(), F_OK) != 0 && access((path + ".gz").c_str(), F_OK) == 0 ? path + ".gz" : path;
}

static bool isByLines(const std::string &spec) { return spec.compare(0, 6, "lines:") == 0; }

std::vector<std::string> dataFiles(const std::string &spec, Split split) {
  if (spec.compare(0, 10, "synthetic:") == 0)
    return {};
  if (isByLines(spec))
    return {spec.substr(6)};
  struct stat info;
  if (stat(spec.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    std::string base = spec + (split == Split::Train ? "/train-" : "/t10k-");
    return {plainOrPacked(base + "images-idx3-ubyte"), plainOrPacked(base + "labels-idx1-ubyte")};
  }
  size_t comma = spec.find(',');
  if (comma != std::string::npos && access(spec.c_str(), F_OK) != 0)
    return {spec.substr(0, comma), spec.substr(comma + 1)};
  return {spec};
}

Status openDataset(const std::string &spec, Split split, const ColoProgram &program, uint64_t seed,
                   std::unique_ptr<Dataset> &dataset) {
  std::vector<std::string> files = dataFiles(spec, split);
  if (files.empty())
    return openSyntheticDataset(spec, program, seed, dataset);
  if (files.size() == 2)
    return openImageDataset(files[0], files[1], program, dataset);
  return openTextDataset(files[0], isByLines(spec), program, dataset);
}

} // namespace colo::runtime
