//===- TextData.cpp - text as bytes ------------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A record is a piece of text of at most seq bytes: the first id input [batch,
// seq] takes its bytes, the second each one's next byte, and a bool input
// [batch, seq] says where there is one.
//
// Windows: record r is the bytes [r * seq, r * seq + seq]. Windows do not
// overlap but for the last byte, which is a target only; a rest at the end that
// does not fill a window is not used.
//
// Lines: a record is a line that is not empty, or seq bytes of a longer one, or
// its rest. The next byte of the last one is the newline. Behind it tokens are
// 0, targets the ignore index, or 0 if the input has none.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"

#include <algorithm>
#include <cstring>

namespace colo::runtime {
namespace {

class TextDataset : public Dataset {
public:
  TextDataset(std::string path, bool byLines, const ColoProgram &program)
      : path(std::move(path)), byLines(byLines), inputs(program.inputs) {}

  Status open(const ColoProgram &program) {
    if (Status status = file.open(path); status.failed())
      return status;
    if (Status status = checkInputs(program); status.failed())
      return status;
    return byLines ? findLines() : countWindows();
  }

  int64_t size() const override { return count; }

  Status read(int64_t record, int64_t input, void *row) const override {
    const unsigned char *from = file.data() + (byLines ? lines[record].begin : record * sequence);
    int64_t length = byLines ? lines[record].length : sequence, ids[256];
    const ColoInput &target = inputs[input];
    int64_t padding = shifts[input] && target.ignoreIndex != INT64_MIN ? target.ignoreIndex : 0;
    for (int64_t at = 0; at < sequence; at += 256) {
      int64_t n = std::min<int64_t>(256, sequence - at);
      for (int64_t i = 0; i < n; ++i) {
        bool isText = at + i < length;
        ids[i] = !isText ? padding : isMask(target) ? 1 : byteAt(from + at + i + shifts[input]);
      }
      char *to = static_cast<char *>(row) + at * typeSize(target.dtype);
      if (Status status = storeIds(target, ids, n, path, record, to); status.failed())
        return status;
    }
    return Status::ok();
  }

private:
  struct Line {
    int64_t begin, length;
  };

  static bool isMask(const ColoInput &input) { return input.dtype == COLO_I8; }

  /// A last line without a newline is followed by one.
  int64_t byteAt(const unsigned char *byte) const { return byte < file.data() + file.size() ? *byte : '\n'; }

  Status checkInputs(const ColoProgram &program) {
    int64_t ids = 0;
    bool fits = true;
    for (int64_t i = 0; fits && i < program.inputCount; ++i) {
      const ColoInput &input = inputs[i];
      fits = input.rank == 2 && input.shape[1] == inputs[0].shape[1] &&
             (input.dtype == COLO_I32 || input.dtype == COLO_I64 || isMask(input));
      shifts.push_back(isMask(input) ? 0 : ids++);
    }
    if (!fits || ids < 1 || ids > 2)
      return Status::user("%s: text does not fit the inputs of %s; it gives one integer input [batch, seq], "
                          "shifted by one byte a second of the same shape, and bool inputs that say where text is",
                          path.c_str(), program.model);
    sequence = inputs[0].shape[1];
    shifted = ids - 1;
    return Status::ok();
  }

  Status countWindows() {
    int64_t window = sequence + shifted;
    if (static_cast<int64_t>(file.size()) < window)
      return Status::user("%s: %zu bytes are too few, one window takes %lld", path.c_str(), file.size(),
                          static_cast<long long>(window));
    count = (static_cast<int64_t>(file.size()) - shifted) / sequence;
    return Status::ok();
  }

  Status findLines() {
    const unsigned char *bytes = file.data(), *end = bytes + file.size();
    for (const unsigned char *line = bytes; line < end;) {
      auto *newline = static_cast<const unsigned char *>(std::memchr(line, '\n', end - line));
      const unsigned char *lineEnd = newline ? newline : end;
      for (const unsigned char *piece = line; piece < lineEnd; piece += sequence)
        lines.push_back({piece - bytes, std::min<int64_t>(sequence, lineEnd - piece)});
      line = lineEnd + 1;
    }
    count = static_cast<int64_t>(lines.size());
    return count ? Status::ok() : Status::user("%s: holds no line that is not empty", path.c_str());
  }

  std::string path;
  bool byLines;
  const ColoInput *inputs;
  FileBytes file;
  std::vector<int64_t> shifts; ///< per input
  std::vector<Line> lines;
  int64_t sequence = 0, shifted = 0, count = 0;
};

} // namespace

Status openTextDataset(const std::string &path, bool byLines, const ColoProgram &program,
                       std::unique_ptr<Dataset> &dataset) {
  auto text = std::make_unique<TextDataset>(path, byLines, program);
  Status status = text->open(program);
  if (!status.failed())
    dataset = std::move(text);
  return status;
}

} // namespace colo::runtime
