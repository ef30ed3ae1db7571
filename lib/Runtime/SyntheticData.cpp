//===- SyntheticData.cpp - records made from the seed ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// synthetic:N gives N records. Element i of record r of an input is drawn at
// logical index r * elements + i, op instance hash(name of the input): numbers
// uniform in [0, 1), ids uniform in [0, classes) (in [0, 256) where the input
// has no classes), masks false or true. With ,ignore=P an id of an input that
// has an ignore index is that index with probability P.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"
#include "colo/Runtime/Philox.h"

#include <cstdlib>

namespace colo::runtime {
namespace {

class SyntheticDataset : public Dataset {
public:
  SyntheticDataset(std::string spec, const ColoProgram &program, uint64_t seed, int64_t count, double ignored)
      : spec(std::move(spec)), inputs(program.inputs), seed(seed), count(count), ignored(ignored) {}

  int64_t size() const override { return count; }

  Status read(int64_t record, int64_t index, void *row) const override {
    const ColoInput &input = inputs[index];
    int64_t elements = rowElements(input);
    uint32_t instance = hashName(input.name), ignoreInstance = instance + 1;
    for (int64_t i = 0; i < elements; ++i) {
      uint64_t at = record * elements + i;
      uint32_t word = randomWord(seed, at, instance, dataStep);
      if (input.dtype == COLO_F32 || input.dtype == COLO_F64) {
        storeNumber(input.dtype, row, i, uniformFromWord(word));
        continue;
      }
      uint64_t classes = input.classes > 0 ? input.classes : input.dtype == COLO_I8 ? 2 : 256;
      int64_t id = static_cast<int64_t>((word * classes) >> 32);
      if (ignored > 0 && input.ignoreIndex != INT64_MIN &&
          uniformFromWord(randomWord(seed, at, ignoreInstance, dataStep)) < ignored)
        id = input.ignoreIndex;
      char *to = static_cast<char *>(row) + i * typeSize(input.dtype);
      if (Status status = storeIds(input, &id, 1, spec, record, to); status.failed())
        return status;
    }
    return Status::ok();
  }

private:
  std::string spec;
  const ColoInput *inputs;
  uint64_t seed;
  int64_t count;
  double ignored;
};

} // namespace

Status openSyntheticDataset(const std::string &spec, const ColoProgram &program, uint64_t seed,
                            std::unique_ptr<Dataset> &dataset) {
  const char *text = spec.c_str() + spec.find(':') + 1;
  char *end = nullptr;
  long long count = std::strtoll(text, &end, 10);
  double ignored = 0;
  bool fits = end != text && count > 0 && count < (1ll << 40);
  if (std::string(end).compare(0, 8, ",ignore=") == 0) {
    const char *number = end + 8;
    ignored = std::strtod(number, &end);
    fits &= end != number && ignored >= 0 && ignored <= 1;
  }
  if (!fits || *end)
    return Status::user("%s: expected synthetic:N or synthetic:N,ignore=P with N > 0 and 0 <= P <= 1", spec.c_str());
  dataset = std::make_unique<SyntheticDataset>(spec, program, seed, count, ignored);
  return Status::ok();
}

} // namespace colo::runtime
