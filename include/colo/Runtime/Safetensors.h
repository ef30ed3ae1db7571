//===- Safetensors.h - whole models in files ---------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reading and writing safetensors: an 8-byte little-endian header length, a JSON
// header {name: {dtype, shape, data_offsets}}, the data. A file is untrusted: its
// header may have 100 MB at most, and every offset is checked against it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_SAFETENSORS_H
#define COLO_RUNTIME_SAFETENSORS_H

#include "colo/Runtime/Data.h"
#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <map>
#include <string>
#include <vector>

namespace colo::runtime {

class Rank;

struct FileTensor {
  int32_t dtype = COLO_F32; ///< COLO_F32 or COLO_F64
  std::vector<int64_t> shape;
  const unsigned char *data = nullptr;
  int64_t elements = 0;
};

class SafetensorsFile {
public:
  /// Maps and checks the file. Types other than F32 and F64 are an error.
  Status open(const std::string &path);
  /// Every parameter of the program must be there with its file shape, and
  /// nothing else.
  Status matchProgram(const ColoProgram &program) const;
  /// Fills the rank's parameters; the file must have matched.
  Status load(Rank &rank) const;

  const std::map<std::string, FileTensor> &tensors() const { return entries; }

private:
  Status parse(const std::string &path);
  std::string path;
  FileBytes file;
  std::map<std::string, FileTensor> entries;
};

/// Writes the whole model (or the gradients: any flat buffer) from the shards of
/// replica 0 of all ranks: rank 0 receives tensor by tensor, in table order, into
/// PATH.tmp, which is synchronised and renamed. All ranks call it.
/// Every element is multiplied by `factor`.
Status exportModel(Rank &rank, const char *buffer, const std::string &path, double factor = 1);

} // namespace colo::runtime

#endif // COLO_RUNTIME_SAFETENSORS_H
