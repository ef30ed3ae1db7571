//===- Data.h - training and evaluation data ---------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A data set is a number of records; a record gives one row of every model
// input. It is opened once per process and read by all ranks. Which record is
// the sample at stream position p is a function of (seed, p) alone: epoch p / N
// has a permutation of the N records of its own, computed and never stored. Rows
// of a step and positions: docs/runtime.md.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_DATA_H
#define COLO_RUNTIME_DATA_H

#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <memory>
#include <string>
#include <vector>

namespace colo::runtime {

/// A bijection of [0, size), chosen by (seed, epoch): a Feistel network over the
/// next even power of two, walked until it lands inside.
class Permutation {
public:
  Permutation(uint64_t size, uint64_t seed, uint64_t epoch);
  uint64_t operator()(uint64_t index) const;

private:
  uint64_t permuteDomain(uint64_t index) const;
  uint64_t size, keys[2];
  unsigned halfBits;
};

class Dataset {
public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Writes input `input` of record `record` to `row`, in the input's type. An
  /// id outside the input's classes is a user error naming the record.
  virtual Status read(int64_t record, int64_t input, void *row) const = 0;
};

enum class Split { Train, Eval };

/// The files that `spec` reads: none, one of text, or images and their labels.
std::vector<std::string> dataFiles(const std::string &spec, Split split);

/// Opens `spec` (docs/runtime.md) for the inputs of `program`. Everything that
/// can be wrong with the files but single values is found here.
Status openDataset(const std::string &spec, Split split, const ColoProgram &program, uint64_t seed,
                   std::unique_ptr<Dataset> &dataset);

/// Elements of one row of an input; bytes of one element of a program type.
int64_t rowElements(const ColoInput &input);
int64_t typeSize(int32_t dtype);

/// Stores ids of one row, each checked against the input's classes; `record` is
/// for the message. Used by all data sets.
Status storeIds(const ColoInput &input, const int64_t *ids, int64_t count, const std::string &source, int64_t record,
                void *row);
void storeNumber(int32_t dtype, void *row, int64_t index, double value);

/// A file's bytes, mapped, or unpacked if it is gzip.
class FileBytes {
public:
  FileBytes() = default;
  ~FileBytes();
  FileBytes(const FileBytes &) = delete;
  /// Fails for a missing, unreadable or empty file and for broken gzip data.
  Status open(const std::string &path);
  const unsigned char *data() const { return bytes; }
  size_t size() const { return length; }

private:
  Status unpack(const std::string &path);
  const unsigned char *bytes = nullptr;
  size_t length = 0;
  void *mapped = nullptr;
  size_t mappedLength = 0;
  std::vector<unsigned char> unpacked;
};

/// The kinds of data set, by their spec.
Status openTextDataset(const std::string &path, bool byLines, const ColoProgram &program,
                       std::unique_ptr<Dataset> &dataset);
Status openImageDataset(const std::string &images, const std::string &labels, const ColoProgram &program,
                        std::unique_ptr<Dataset> &dataset);
Status openSyntheticDataset(const std::string &spec, const ColoProgram &program, uint64_t seed,
                            std::unique_ptr<Dataset> &dataset);

} // namespace colo::runtime

#endif // COLO_RUNTIME_DATA_H
