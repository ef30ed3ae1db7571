//===- Safetensors.cpp - reading whole models --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Safetensors.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Safetensors.h"
#include "Rank.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace colo::runtime {

using Json = nlohmann::json;

constexpr uint64_t headerLimit = 100000000;
constexpr int depthLimit = 64;

std::string formatShape(const int64_t *shape, size_t rank) {
  std::string text = "[";
  for (size_t i = 0; i < rank; ++i)
    text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

namespace {
/// Where one tensor's bytes lie, for the check that the data is covered exactly.
struct Span {
  uint64_t begin, end;
  std::string name;
};
} // namespace

/// One header entry. Returns what is wrong with it, or an empty string.
static std::string readEntry(const Json &entry, const unsigned char *data, uint64_t dataBytes, FileTensor &tensor,
                             Span &span) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets"))
    return "lacks dtype, shape or data_offsets";
  const Json &dtype = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
  if (dtype != "F32" && dtype != "F64")
    return "has type " + dtype.dump() + "; F32 and F64 can be read";
  tensor.dtype = dtype == "F32" ? COLO_F32 : COLO_F64;
  if (!shape.is_array() || shape.size() > COLO_MAX_RANK)
    return "has no shape of at most 8 dims";
  uint64_t elements = 1;
  for (const Json &dim : shape) {
    if (!dim.is_number_unsigned() || __builtin_mul_overflow(elements, dim.get<uint64_t>(), &elements) ||
        elements > dataBytes)
      return "has a shape that does not fit the file";
    tensor.shape.push_back(dim.get<int64_t>());
  }
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    return "has no two data_offsets";
  span.begin = offsets[0].get<uint64_t>();
  span.end = offsets[1].get<uint64_t>();
  if (span.begin > span.end || span.end > dataBytes)
    return "has data_offsets past the end of the file";
  if (span.end - span.begin != elements * static_cast<uint64_t>(typeSize(tensor.dtype)))
    return "has data_offsets that do not fit its shape";
  tensor.data = data + span.begin;
  tensor.elements = static_cast<int64_t>(elements);
  return "";
}

Status SafetensorsFile::open(const std::string &name) {
  path = name;
  if (Status status = file.open(name); status.failed())
    return status;
  return parse(name);
}

Status SafetensorsFile::parse(const std::string &name) {
  uint64_t headerBytes = 0;
  if (file.size() < 8)
    return Status::user("%s: not a safetensors file: shorter than its header length", name.c_str());
  for (int i = 7; i >= 0; --i)
    headerBytes = headerBytes << 8 | file.data()[i];
  if (headerBytes > headerLimit || headerBytes > file.size() - 8)
    return Status::user("%s: not a safetensors file: a header of %llu bytes in a file of %zu (at most 100 MB)",
                        name.c_str(), static_cast<unsigned long long>(headerBytes), file.size());
  const char *text = reinterpret_cast<const char *>(file.data()) + 8;
  bool tooDeep = false;
  auto limitDepth = [&](int depth, Json::parse_event_t, Json &) { return !(tooDeep |= depth > depthLimit); };
  Json header = Json::parse(text, text + headerBytes, limitDepth, /*allow_exceptions=*/false);
  if (tooDeep || !header.is_object())
    return Status::user("%s: the safetensors header is not a JSON object%s", name.c_str(),
                        tooDeep ? " of sane depth" : "");
  const unsigned char *data = file.data() + 8 + headerBytes;
  uint64_t dataBytes = file.size() - 8 - headerBytes;
  std::vector<Span> spans;
  for (const auto &item : header.items()) {
    if (item.key() == "__metadata__")
      continue;
    FileTensor tensor;
    Span span{0, 0, item.key()};
    std::string wrong = readEntry(item.value(), data, dataBytes, tensor, span);
    if (!wrong.empty())
      return Status::user("%s: tensor %s %s", name.c_str(), item.key().c_str(), wrong.c_str());
    spans.push_back(span);
    entries.emplace(item.key(), std::move(tensor));
  }
  std::sort(spans.begin(), spans.end(),
            [](const Span &a, const Span &b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t covered = 0;
  for (const Span &span : spans) {
    if (span.begin != covered)
      return Status::user(
          "%s: tensor %s starts at byte %llu of the data, expected %llu: tensors overlap or leave a gap", name.c_str(),
          span.name.c_str(), static_cast<unsigned long long>(span.begin), static_cast<unsigned long long>(covered));
    covered = span.end;
  }
  if (covered != dataBytes)
    return Status::user("%s: tensors cover %llu of %llu bytes of data", name.c_str(),
                        static_cast<unsigned long long>(covered), static_cast<unsigned long long>(dataBytes));
  return Status::ok();
}

/// "a, b, c and 4 more"
static std::string listNames(const std::vector<std::string> &names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 8; ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > 8)
    text += formatString(" and %zu more", names.size() - 8);
  return text;
}

Status SafetensorsFile::matchProgram(const ColoProgram &program) const {
  std::vector<std::string> missing, unknown;
  std::map<std::string, const ColoParam *> wanted;
  for (const Tensor &tensor : listTensors(program)) {
    wanted[tensor.name] = tensor.param;
    if (!entries.count(tensor.name))
      missing.push_back(tensor.name);
  }
  for (const auto &entry : entries) {
    auto found = wanted.find(entry.first);
    if (found == wanted.end()) {
      unknown.push_back(entry.first);
      continue;
    }
    const ColoParam &param = *found->second;
    const std::vector<int64_t> &shape = entry.second.shape;
    if (!std::equal(shape.begin(), shape.end(), param.fileShape, param.fileShape + param.fileRank))
      return Status::user("%s: tensor %s has shape %s, %s has %s", path.c_str(), entry.first.c_str(),
                          formatShape(shape.data(), shape.size()).c_str(), program.model,
                          formatShape(param.fileShape, param.fileRank).c_str());
  }
  if (!missing.empty())
    return Status::user("%s: lacks %s", path.c_str(), listNames(missing).c_str());
  if (!unknown.empty())
    return Status::user("%s: %s has no parameter %s", path.c_str(), program.model, listNames(unknown).c_str());
  return Status::ok();
}

/// Elements of a file may lie at any byte.
static double readElement(const FileTensor &tensor, int64_t index) {
  if (tensor.dtype == COLO_F64) {
    double value;
    std::memcpy(&value, tensor.data + index * 8, 8);
    return value;
  }
  float value;
  std::memcpy(&value, tensor.data + index * 4, 4);
  return value;
}

Status SafetensorsFile::load(Rank &rank) const {
  const ColoProgram &program = rank.program();
  for (const Tensor &tensor : rank.tensors()) {
    if (!rank.holds(tensor))
      continue;
    const FileTensor &from = entries.at(tensor.name);
    HostView view(rank.device(), rank.shard(tensor, rank.frame().params),
                  tensor.localElements() * typeSize(program.dtype), HostView::Writes);
    char *shard = view.data();
    auto copyRow = [&](int64_t local, int64_t logical, int64_t valid, int64_t length) {
      for (int64_t i = 0; i < length; ++i)
        storeNumber(program.dtype, shard, local + i, i < valid ? readElement(from, logical + i) : 0);
    };
    forEachShardRow(program, *tensor.param, rank.coordinates().axes.data(), copyRow);
  }
  return Status::ok();
}

} // namespace colo::runtime
