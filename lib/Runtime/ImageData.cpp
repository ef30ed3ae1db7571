//===- ImageData.cpp - IDX images and labels ---------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The MNIST family's format: magic 0, 0, type 8 (unsigned byte), number of dims,
// the dims as big-endian 32-bit numbers, the bytes. Pixels become pixel / 255 in
// the float input, labels the one integer per row.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"

namespace colo::runtime {
namespace {

struct IdxFile {
  std::string path;
  FileBytes file;
  int64_t count = 0, recordBytes = 1;
  const unsigned char *records = nullptr;

  Status open(const std::string &name, int dims, const char *what) {
    path = name;
    if (Status status = file.open(path); status.failed())
      return status;
    const unsigned char *bytes = file.data();
    size_t header = 4 + 4 * static_cast<size_t>(dims);
    if (file.size() < header || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != 8 || bytes[3] != dims)
      return Status::user("%s: not an IDX file of %s (unsigned bytes in %d dims)", path.c_str(), what, dims);
    for (int i = 0; i < dims; ++i) {
      const unsigned char *d = bytes + 4 + 4 * i;
      int64_t dim = int64_t(d[0]) << 24 | d[1] << 16 | d[2] << 8 | d[3];
      // Dims are below 2^32 and checked against the file at each step.
      if (i == 0)
        count = dim;
      else
        recordBytes *= dim;
      if (recordBytes > static_cast<int64_t>(file.size()))
        break;
    }
    int64_t available = static_cast<int64_t>(file.size() - header);
    if (count == 0 || recordBytes == 0)
      return Status::user("%s: holds no %s", path.c_str(), what);
    if (recordBytes > available || count != available / recordBytes || available % recordBytes)
      return Status::user("%s: %lld bytes of %s do not fit its header, which says %lld records of %lld bytes",
                          path.c_str(), static_cast<long long>(available), what, static_cast<long long>(count),
                          static_cast<long long>(recordBytes));
    records = bytes + header;
    return Status::ok();
  }
};

class ImageDataset : public Dataset {
public:
  explicit ImageDataset(const ColoProgram &program) : inputs(program.inputs) {}

  Status open(const std::string &imagePath, const std::string &labelPath, const ColoProgram &program) {
    bool fits = program.inputCount == 1 || program.inputCount == 2;
    for (int64_t i = 0; i < program.inputCount; ++i) {
      bool isFloat = inputs[i].dtype == COLO_F32 || inputs[i].dtype == COLO_F64;
      fits &= isFloat ? imageInput < 0 : (inputs[i].rank == 1 && inputs[i].dtype != COLO_I8);
      if (isFloat)
        imageInput = i;
    }
    if (!fits || imageInput < 0)
      return Status::user("%s: images do not fit the inputs of %s; they give one float input and an integer "
                          "input [batch]",
                          imagePath.c_str(), program.model);
    if (Status status = images.open(imagePath, 3, "images"); status.failed())
      return status;
    if (Status status = labels.open(labelPath, 1, "labels"); status.failed())
      return status;
    if (images.count != labels.count)
      return Status::user("%s: %lld images, but %lld labels in %s", imagePath.c_str(),
                          static_cast<long long>(images.count), static_cast<long long>(labels.count),
                          labelPath.c_str());
    int64_t wanted = rowElements(inputs[imageInput]);
    if (images.recordBytes != wanted)
      return Status::user("%s: images of %lld pixels, but input '%s' of %s takes %lld", imagePath.c_str(),
                          static_cast<long long>(images.recordBytes), inputs[imageInput].name, program.model,
                          static_cast<long long>(wanted));
    return Status::ok();
  }

  int64_t size() const override { return images.count; }

  Status read(int64_t record, int64_t input, void *row) const override {
    if (input != imageInput) {
      int64_t label = labels.records[record];
      return storeIds(inputs[input], &label, 1, labels.path, record, row);
    }
    const unsigned char *pixels = images.records + record * images.recordBytes;
    for (int64_t i = 0; i < images.recordBytes; ++i)
      storeNumber(inputs[input].dtype, row, i, pixels[i] / 255.0);
    return Status::ok();
  }

private:
  const ColoInput *inputs;
  IdxFile images, labels;
  int64_t imageInput = -1;
};

} // namespace

Status openImageDataset(const std::string &images, const std::string &labels, const ColoProgram &program,
                        std::unique_ptr<Dataset> &dataset) {
  auto set = std::make_unique<ImageDataset>(program);
  Status status = set->open(images, labels, program);
  if (!status.failed())
    dataset = std::move(set);
  return status;
}

} // namespace colo::runtime
