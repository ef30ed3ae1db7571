//===- TextData.cpp - text as bytes ------------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Record r of a text is the window of bytes [r * seq, r * seq + seq]: its first
// seq bytes are the first id input, its last seq bytes (shifted by one) the
// second. Windows do not overlap but for that byte; a rest at the end that does
// not fill a window is not used.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"

#include <algorithm>

namespace colo::runtime {
namespace {

class TextDataset : public Dataset {
public:
  TextDataset(std::string path, const ColoProgram &program) : path(std::move(path)), inputs(program.inputs) {}

  Status open(const ColoProgram &program) {
    if (Status status = file.open(path); status.failed())
      return status;
    if (Status status = checkInputs(program); status.failed())
      return status;
    if (static_cast<int64_t>(file.size()) < sequence + program.inputCount - 1)
      return Status::user("%s: %zu bytes are too few, one window takes %lld", path.c_str(), file.size(),
                          static_cast<long long>(sequence + program.inputCount - 1));
    count = (static_cast<int64_t>(file.size()) - (program.inputCount - 1)) / sequence;
    return Status::ok();
  }

  int64_t size() const override { return count; }

  Status read(int64_t record, int64_t input, void *row) const override {
    const unsigned char *from = file.data() + record * sequence + input;
    int64_t ids[256];
    for (int64_t at = 0; at < sequence; at += 256) {
      int64_t n = std::min<int64_t>(256, sequence - at);
      for (int64_t i = 0; i < n; ++i)
        ids[i] = from[at + i];
      char *to = static_cast<char *>(row) + at * typeSize(inputs[input].dtype);
      if (Status status = storeIds(inputs[input], ids, n, path, record, to); status.failed())
        return status;
    }
    return Status::ok();
  }

private:
  Status checkInputs(const ColoProgram &program) {
    bool fits = program.inputCount == 1 || program.inputCount == 2;
    for (int64_t i = 0; fits && i < program.inputCount; ++i) {
      const ColoInput &input = inputs[i];
      fits = input.rank == 2 && (input.dtype == COLO_I32 || input.dtype == COLO_I64) &&
             input.shape[1] == inputs[0].shape[1];
    }
    if (!fits)
      return Status::user("%s: text does not fit the inputs of %s; it gives one integer input [batch, seq] and, "
                          "shifted by one byte, a second of the same shape",
                          path.c_str(), program.model);
    sequence = inputs[0].shape[1];
    return Status::ok();
  }

  std::string path;
  const ColoInput *inputs;
  FileBytes file;
  int64_t sequence = 0, count = 0;
};

} // namespace

Status openTextDataset(const std::string &path, const ColoProgram &program, std::unique_ptr<Dataset> &dataset) {
  auto text = std::make_unique<TextDataset>(path, program);
  Status status = text->open(program);
  if (!status.failed())
    dataset = std::move(text);
  return status;
}

} // namespace colo::runtime
