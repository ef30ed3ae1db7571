//===- SafetensorsTest.cpp - whole models in files ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Headers that lie, and models that do not match.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Safetensors.h"
#include "Files.h"
#include "RegressionProgram.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace {

std::string file(const std::string &header, size_t dataBytes) {
  std::string bytes(8, '\0');
  uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(dataBytes, '\0');
}

std::string entry(const std::string &name, const std::string &type, const std::string &shape, int begin, int end) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

Status openBytes(const std::string &bytes) {
  Folder folder;
  SafetensorsFile f;
  return f.open(folder.write("f", bytes));
}

void expectBroken(const std::string &bytes, const std::string &part) {
  Status status = openBytes(bytes);
  EXPECT_EQ(status.code, ExitUser) << part;
  EXPECT_NE(status.message.find(part), std::string::npos) << status.message;
}

TEST(Safetensors, aGoodFileIsRead) {
  std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F64", "[2]", 24, 40) + "," +
                       entry("a", "F32", "[2,3]", 0, 24) + "," + entry("none", "F32", "[0,3]", 40, 40) + "," +
                       entry("scalar", "F32", "[]", 40, 44) + "}  ";
  Folder folder;
  SafetensorsFile f;
  Status status = f.open(folder.write("f", file(header, 44)));
  ASSERT_FALSE(status.failed()) << status.message;
  EXPECT_EQ(f.tensors().size(), 4u);
  EXPECT_EQ(f.tensors().at("a").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(f.tensors().at("b").dtype, COLO_F64);
}

TEST(Safetensors, hostileHeadersAreOneLine) {
  expectBroken("", "the file is empty");
  expectBroken("1234567", "shorter than its header length");
  expectBroken(std::string(8, '\xff'), "not a safetensors file");
  expectBroken(file("{}", 0).substr(0, 9), "not a safetensors file");
  expectBroken(file("[1]", 0), "not a JSON object");
  expectBroken(file("{\"a\":", 0), "not a JSON object");
  expectBroken(file(std::string(100000, '['), 0), "not a JSON object");
  expectBroken(file("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}", 0), "not a JSON object");
  expectBroken(file("{\"a\":3}", 0), "lacks dtype");
  expectBroken(file("{" + entry("a", "BF16", "[2]", 0, 4) + "}", 4), "has type \"BF16\"");
  expectBroken(file("{" + entry("a", "F32", "[-1]", 0, 4) + "}", 4), "a shape that does not fit");
  expectBroken(file("{" + entry("a", "F32", "[4294967296,4294967296,4294967296]", 0, 4) + "}", 4), "a shape that does");
  expectBroken(file("{" + entry("a", "F32", "[1.5]", 0, 4) + "}", 4), "a shape that does not fit");
  expectBroken(file("{" + entry("a", "F32", "[2]", 0, 4) + "}", 8), "do not fit its shape");
  expectBroken(file("{" + entry("a", "F32", "[2]", 0, 8) + "}", 4), "past the end");
  expectBroken(file("{" + entry("a", "F32", "[2]", 8, 0) + "}", 8), "past the end");
  expectBroken(file("{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 0, 4) + "}", 8), "overlap");
  expectBroken(file("{" + entry("a", "F32", "[1]", 4, 8) + "}", 8), "leave a gap");
  expectBroken(file("{" + entry("a", "F32", "[1]", 0, 4) + "}", 8), "cover 4 of 8 bytes");
  expectBroken(file("{" + entry("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) + "}", 4), "at most 8 dims");
  std::string tooLong(8, '\0');
  uint64_t length = 100000001;
  std::memcpy(tooLong.data(), &length, 8);
  expectBroken(tooLong + "{}", "at most 100 MB");
}

Status match(const std::string &header, size_t bytes) {
  Folder folder;
  RegressionProgram program({});
  SafetensorsFile f;
  Status status = f.open(folder.write("f", file(header, bytes)));
  return status.failed() ? status : f.matchProgram(*program.get());
}

TEST(Safetensors, namesAndShapesMustBeTheModels) {
  std::string weight = entry("fc.weight", "F32", "[7,5]", 0, 140), bias = entry("fc.bias", "F64", "[5]", 140, 180);
  EXPECT_FALSE(match("{" + weight + "," + bias + "}", 180).failed());
  EXPECT_NE(match("{" + weight + "}", 140).message.find("lacks fc.bias"), std::string::npos);
  EXPECT_NE(match("{" + weight + "," + bias + "," + entry("extra", "F32", "[1]", 180, 184) + "}", 184)
                .message.find("Regression has no parameter extra"),
            std::string::npos);
  EXPECT_NE(match("{" + entry("fc.weight", "F32", "[5,7]", 0, 140) + "," + bias + "}", 180)
                .message.find("tensor fc.weight has shape [5, 7], Regression has [7, 5]"),
            std::string::npos);
}

} // namespace
