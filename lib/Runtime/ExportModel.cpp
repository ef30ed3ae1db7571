//===- ExportModel.cpp - writing whole models --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One tensor at a time: the owners of its shards send them to rank 0, which puts
// the logical tensor together and appends it. A reader never sees a partial
// file: PATH.tmp is synchronised, then renamed.
//
//===----------------------------------------------------------------------===//

#include "Rank.h"
#include "colo/Runtime/OutputFile.h"
#include "colo/Runtime/Safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace colo::runtime {

static std::string makeHeader(const Rank &rank) {
  bool isDouble = rank.program().dtype == COLO_F64;
  std::string header = "{";
  int64_t offset = 0;
  for (const Tensor &tensor : rank.tensors()) {
    if (tensor.param->copy)
      continue;
    int64_t end = offset + tensor.logicalElements() * typeSize(rank.program().dtype);
    std::string shape;
    for (int32_t i = 0; i < tensor.param->fileRank; ++i)
      shape += (i ? "," : "") + std::to_string(tensor.param->fileShape[i]);
    header +=
        formatString("%s%s:{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%lld,%lld]}",
                     header.size() > 1 ? "," : "", nlohmann::json(tensor.name).dump().c_str(), isDouble ? "F64" : "F32",
                     shape.c_str(), static_cast<long long>(offset), static_cast<long long>(end));
    offset = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

/// Puts one rank's shard where it belongs in the logical tensor.
static void placeShard(const ColoProgram &program, const Tensor &tensor, const Coordinates &from, const char *shard,
                       char *logicalTensor) {
  int64_t size = typeSize(program.dtype);
  auto placeRow = [&](int64_t local, int64_t logical, int64_t valid, int64_t) {
    if (valid > 0)
      std::memcpy(logicalTensor + logical * size, shard + local * size, valid * size);
  };
  forEachShardRow(program, *tensor.param, from.axes.data(), placeRow);
}

/// On rank 0, `whole` becomes the logical tensor.
static Status gatherTensor(Rank &rank, const Tensor &tensor, const char *buffer, std::vector<char> &staging,
                           std::vector<char> &whole) {
  const ColoProgram &program = rank.program();
  const World &world = rank.shared().world;
  ncclDataType_t type = program.dtype == COLO_F64 ? ncclFloat64 : ncclFloat32;
  int64_t elements = tensor.localElements();
  bool isOurs = rank.holds(tensor) && ownsShard(program, *tensor.param, rank.coordinates().axes.data()) &&
                rank.coordinates().replica == 0;
  HostView view(rank.device(), rank.shard(tensor, buffer), isOurs ? elements * typeSize(program.dtype) : 0,
                HostView::Reads);
  const char *own = view.data();
  int64_t first = tensor.param->stage * world.tensor;
  for (int64_t r = first; r < first + world.tensor; ++r) { // the first replica
    Coordinates from = coordinatesOf(program, world, r);
    if (!ownsShard(program, *tensor.param, from.axes.data()) || (r != rank.index() && rank.index() != 0))
      continue;
    if (rank.index() != 0) {
      Status status = commStatus(commProvider().send(own, elements, type, 0, rank.worldComm(), nullptr));
      if (status.failed())
        return status;
      continue;
    }
    if (r != 0) {
      staging.resize(elements * typeSize(program.dtype));
      Status status = commStatus(
          commProvider().recv(staging.data(), elements, type, static_cast<int>(r), rank.worldComm(), nullptr));
      if (status.failed())
        return status;
    }
    placeShard(program, tensor, from, r == 0 ? own : staging.data(), whole.data());
  }
  return Status::ok();
}

Status exportModel(Rank &rank, const char *buffer, const std::string &path, double factor) {
  bool writes = rank.index() == 0;
  OutputFile file(path);
  if (writes) {
    if (Status status = file.open(); status.failed())
      return status;
    std::string header = makeHeader(rank);
    uint64_t length = header.size();
    unsigned char prefix[8];
    for (int i = 0; i < 8; ++i)
      prefix[i] = static_cast<unsigned char>(length >> (8 * i));
    if (Status status = file.write(prefix, 8); status.failed())
      return status;
    if (Status status = file.write(header.data(), header.size()); status.failed())
      return status;
  }
  std::vector<char> staging, whole;
  for (const Tensor &tensor : rank.tensors()) {
    if (tensor.param->copy)
      continue;
    if (writes)
      whole.assign(tensor.logicalElements() * typeSize(rank.program().dtype), 0);
    if (Status status = gatherTensor(rank, tensor, buffer, staging, whole); status.failed())
      return status;
    if (!writes)
      continue;
    if (factor != 1 && rank.program().dtype == COLO_F32) // what has a loss scale is f32
      for (auto *value = reinterpret_cast<float *>(whole.data()), *end = value + whole.size() / 4; value != end;
           ++value)
        *value = static_cast<float>(*value * factor);
    if (Status status = file.write(whole.data(), whole.size()); status.failed())
      return status;
  }
  return writes ? file.commit() : Status::ok();
}

} // namespace colo::runtime
