//===- DataTest.cpp - data sets and broken data ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Text windows, IDX images, synthetic records, and one clear line for every kind
// of file that cannot be used.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"
#include "Files.h"

#include <gtest/gtest.h>
#include <zlib.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace {

struct TextModel {
  ColoInput inputs[2] = {{"tokens", COLO_I32, 2, {2, 4}, 128, INT64_MIN}, {"targets", COLO_I32, 2, {2, 4}, 128, -100}};
  ColoProgram program = {};
  TextModel() {
    program.model = "GPT2";
    program.inputCount = 2;
    program.inputs = inputs;
  }
};

struct ImageModel {
  ColoInput inputs[2] = {{"images", COLO_F32, 3, {2, 2, 3}, 0, INT64_MIN}, {"labels", COLO_I32, 1, {2}, 10, INT64_MIN}};
  ColoProgram program = {};
  ImageModel() {
    program.model = "ViT";
    program.inputCount = 2;
    program.inputs = inputs;
  }
};

std::string idx(int dims, std::vector<uint32_t> sizes, const std::string &bytes) {
  std::string file{'\0', '\0', '\x08', static_cast<char>(dims)};
  for (uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8)
      file += static_cast<char>(size >> shift);
  return file + bytes;
}

std::string gzip(const std::string &bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(bytes.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes.data()));
  stream.avail_in = bytes.size();
  stream.next_out = reinterpret_cast<Bytef *>(packed.data());
  stream.avail_out = packed.size();
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

void expectUserError(const std::string &spec, const ColoProgram &program, const std::string &part) {
  std::unique_ptr<Dataset> data;
  Status status = openDataset(spec, Split::Train, program, 1, data);
  EXPECT_EQ(status.code, ExitUser) << spec;
  EXPECT_NE(status.message.find(part), std::string::npos) << status.message;
  EXPECT_EQ(status.message.find('\n'), std::string::npos);
}

TEST(Text, windowsFollowEachOtherAndTargetsAreShiftedByOne) {
  Folder folder;
  TextModel model;
  std::unique_ptr<Dataset> data;
  std::string path = folder.write("text", "abcdefghijkl");
  ASSERT_FALSE(openDataset(path, Split::Train, model.program, 1, data).failed());
  ASSERT_EQ(data->size(), 2); // twelve bytes: the third window lacks its last target
  int32_t tokens[4], targets[4];
  ASSERT_FALSE(data->read(1, 0, tokens).failed());
  ASSERT_FALSE(data->read(1, 1, targets).failed());
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(tokens[i], 'e' + i);
    EXPECT_EQ(targets[i], 'f' + i);
  }
}

TEST(Text, aByteOutsideTheClassesNamesItsRecord) {
  Folder folder;
  TextModel model;
  std::unique_ptr<Dataset> data;
  std::string path = folder.write("text", "abcde\xe9ghijkl");
  ASSERT_FALSE(openDataset(path, Split::Train, model.program, 1, data).failed());
  int32_t tokens[4];
  EXPECT_FALSE(data->read(0, 0, tokens).failed());
  Status status = data->read(1, 0, tokens);
  EXPECT_EQ(status.code, ExitUser);
  EXPECT_EQ(status.message, path + ": record 1: value 233 is outside [0, 128) of input 'tokens'");
}

TEST(Text, badFilesAreOneLine) {
  Folder folder;
  TextModel model;
  expectUserError(folder / "none", model.program, "No such file");
  expectUserError(folder.write("empty", ""), model.program, "the file is empty");
  expectUserError(folder.write("short", "abcd"), model.program, "one window takes 5");
  ImageModel image;
  expectUserError(folder.write("text", "abcdefghijkl"), image.program, "does not fit the inputs of ViT");
}

TEST(Lines, arePaddedAndLongOnesCut) {
  Folder folder;
  ColoInput inputs[4] = {{"valid", COLO_I8, 2, {2, 4}, 0, INT64_MIN},
                         {"tokens", COLO_I32, 2, {2, 4}, 128, INT64_MIN},
                         {"targets", COLO_I32, 2, {2, 4}, 128, -100},
                         {"plain", COLO_I8, 2, {2, 4}, 0, INT64_MIN}};
  ColoProgram program = {};
  program.model = "BERT";
  program.inputCount = 4;
  program.inputs = inputs;
  std::unique_ptr<Dataset> data;
  std::string path = folder.write("text", "\nab\n\n\nabcdef\nwxyz\nq");
  ASSERT_FALSE(openDataset("lines:" + path, Split::Train, program, 1, data).failed());
  ASSERT_EQ(data->size(), 5);
  struct Expected {
    int32_t tokens[4], targets[4];
    int64_t length;
  } expected[] = {{{'a', 'b', 0, 0}, {'b', '\n', -100, -100}, 2},
                  {{'a', 'b', 'c', 'd'}, {'b', 'c', 'd', 'e'}, 4},
                  {{'e', 'f', 0, 0}, {'f', '\n', -100, -100}, 2},
                  {{'w', 'x', 'y', 'z'}, {'x', 'y', 'z', '\n'}, 4},
                  {{'q', 0, 0, 0}, {'\n', -100, -100, -100}, 1}};
  for (int64_t r = 0; r < 5; ++r) {
    int32_t tokens[4], targets[4];
    int8_t valid[4];
    ASSERT_FALSE(data->read(r, 0, valid).failed());
    ASSERT_FALSE(data->read(r, 1, tokens).failed());
    ASSERT_FALSE(data->read(r, 2, targets).failed());
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(valid[i], i < expected[r].length);
      EXPECT_EQ(tokens[i], expected[r].tokens[i]) << "record " << r << ", byte " << i;
      EXPECT_EQ(targets[i], expected[r].targets[i]) << "record " << r << ", byte " << i;
    }
  }
  // Windows of the same text have no padding.
  ASSERT_FALSE(openDataset(path, Split::Train, program, 1, data).failed());
  int8_t all[4];
  ASSERT_FALSE(data->read(0, 3, all).failed());
  EXPECT_TRUE(all[0] && all[1] && all[2] && all[3]);
  expectUserError("lines:" + folder.write("newlines", "\n\n"), program, "holds no line that is not empty");
  expectUserError("lines:" + folder / "none", program, "No such file");
}

TEST(Text, gzipIsUnpacked) {
  Folder folder;
  TextModel model;
  std::unique_ptr<Dataset> data;
  std::string text(100000, 'x');
  ASSERT_FALSE(openDataset(folder.write("t.gz", gzip(text)), Split::Train, model.program, 1, data).failed());
  EXPECT_EQ(data->size(), (100000 - 1) / 4);
  std::string packed = gzip(text);
  expectUserError(folder.write("cut.gz", packed.substr(0, packed.size() / 2)), model.program, "ends early");
  // Files of several members are one text, as gzip itself reads them.
  std::string members = packed + gzip("xyz") + packed;
  ASSERT_FALSE(openDataset(folder.write("members.gz", members), Split::Train, model.program, 1, data).failed());
  EXPECT_EQ(data->size(), (200003 - 1) / 4);
  expectUserError(folder.write("more.gz", packed + "more"), model.program, "other bytes follow its end");
  expectUserError(folder.write("cut-member.gz", packed + gzip("xyz").substr(0, 15)), model.program, "ends early");
  packed[packed.size() - 8] ^= 0x55; // its check sum
  expectUserError(folder.write("bad.gz", packed), model.program, "broken gzip file");
}

TEST(Images, pixelsAndLabels) {
  Folder folder;
  ImageModel model;
  std::string images = folder.write("i", idx(3, {2, 2, 3}, std::string("\0\xff\x33\1\2\3\4\5\6\7\x08\x09", 12)));
  std::string labels = folder.write("l.gz", gzip(idx(1, {2}, "\3\7")));
  std::unique_ptr<Dataset> data;
  Status status = openDataset(images + "," + labels, Split::Train, model.program, 1, data);
  ASSERT_FALSE(status.failed()) << status.message;
  EXPECT_EQ(data->size(), 2);
  float row[6];
  int32_t label;
  ASSERT_FALSE(data->read(0, 0, row).failed());
  ASSERT_FALSE(data->read(1, 1, &label).failed());
  EXPECT_EQ(row[0], 0.0f);
  EXPECT_EQ(row[1], 1.0f);
  EXPECT_EQ(row[2], 0.2f);
  EXPECT_EQ(label, 7);
}

TEST(Images, aFolderHasTrainingAndTestFiles) {
  Folder folder;
  ImageModel model;
  folder.write("train-images-idx3-ubyte", idx(3, {3, 2, 3}, std::string(18, '\1')));
  folder.write("train-labels-idx1-ubyte", idx(1, {3}, "\1\2\3"));
  folder.write("t10k-images-idx3-ubyte.gz", gzip(idx(3, {1, 2, 3}, std::string(6, '\1'))));
  folder.write("t10k-labels-idx1-ubyte.gz", gzip(idx(1, {1}, "\1")));
  std::unique_ptr<Dataset> data;
  ASSERT_FALSE(openDataset(folder / "", Split::Train, model.program, 1, data).failed());
  EXPECT_EQ(data->size(), 3);
  ASSERT_FALSE(openDataset(folder / "", Split::Eval, model.program, 1, data).failed());
  EXPECT_EQ(data->size(), 1);
}

TEST(Images, badFilesAreOneLine) {
  Folder folder;
  ImageModel model;
  std::string good = folder.write("l", idx(1, {2}, "\3\7")), pixels(12, '\1');
  std::string images = folder.write("i", idx(3, {2, 2, 3}, pixels));
  auto withImages = [&](const std::string &bytes) { return folder.write("x", bytes) + "," + good; };
  expectUserError(withImages("GIF89a and more"), model.program, "not an IDX file of images");
  expectUserError(withImages(idx(3, {2, 2, 3}, pixels.substr(1))), model.program, "do not fit its header");
  expectUserError(withImages(idx(3, {2, 2, 3}, pixels + "x")), model.program, "do not fit its header");
  expectUserError(withImages(idx(3, {~0u, ~0u, ~0u}, pixels)), model.program, "do not fit its header");
  expectUserError(withImages(idx(3, {0, 2, 3}, "")), model.program, "holds no images");
  expectUserError(withImages(idx(3, {2, 3, 3}, std::string(18, '\1'))), model.program,
                  "images of 9 pixels, but input 'images' of ViT takes 6");
  expectUserError(images + "," + folder.write("m", idx(1, {3}, "\3\7\1")), model.program, "2 images, but 3 labels");
  expectUserError(images + "," + (folder / "none"), model.program, "No such file");
  TextModel text;
  expectUserError(images + "," + good, text.program, "do not fit the inputs of GPT2");
}

TEST(Images, aLabelOutsideTheClassesNamesItsRecord) {
  Folder folder;
  ImageModel model;
  std::string images = folder.write("i", idx(3, {2, 2, 3}, std::string(12, '\1')));
  std::string labels = folder.write("l", idx(1, {2}, "\3\x0a"));
  std::unique_ptr<Dataset> data;
  ASSERT_FALSE(openDataset(images + "," + labels, Split::Train, model.program, 1, data).failed());
  int32_t label;
  EXPECT_EQ(data->read(1, 1, &label).message, labels + ": record 1: value 10 is outside [0, 10) of input 'labels'");
}

TEST(Synthetic, isAFunctionOfSeedAndRecord) {
  TextModel model;
  model.inputs[1].ignoreIndex = -100;
  std::unique_ptr<Dataset> a, b, c;
  ASSERT_FALSE(openDataset("synthetic:1000,ignore=0.25", Split::Train, model.program, 1, a).failed());
  ASSERT_FALSE(openDataset("synthetic:1000,ignore=0.25", Split::Train, model.program, 1, b).failed());
  ASSERT_FALSE(openDataset("synthetic:1000,ignore=0.25", Split::Train, model.program, 2, c).failed());
  int ignored = 0, different = 0;
  for (int record = 0; record < 1000; ++record) {
    int32_t x[4], y[4], z[4];
    ASSERT_FALSE(a->read(record, 1, x).failed() || b->read(record, 1, y).failed() || c->read(record, 1, z).failed());
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(x[i], y[i]);
      different += x[i] != z[i];
      ignored += x[i] == -100;
    }
  }
  EXPECT_NEAR(ignored, 1000, 120);
  EXPECT_GT(different, 3500);
  expectUserError("synthetic:", model.program, "expected synthetic:N");
  expectUserError("synthetic:5,ignore=2", model.program, "expected synthetic:N");
  expectUserError("synthetic:5x", model.program, "expected synthetic:N");
}

} // namespace
