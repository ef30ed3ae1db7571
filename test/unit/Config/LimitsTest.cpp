//===- LimitsTest.cpp - inputs that are too large or too deep -------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing that a file says makes the compiler run out of stack, memory or time:
// what is past a limit is one diagnostic.
//
//===----------------------------------------------------------------------===//

#include "Load.h"
#include "gtest/gtest.h"

using namespace colo::test;

namespace {

std::string repeat(const std::string &text, size_t times) {
  std::string result;
  for (size_t i = 0; i < times; ++i)
    result += text;
  return result;
}

TEST(Limits, BracketsNestTwoHundredDeep) {
  EXPECT_EQ(Loaded("x = " + repeat("[", 200) + repeat("]", 200)).errors(), "");
  EXPECT_EQ(Loaded("x = " + repeat("(", 201) + repeat(")", 201)).errors(),
            "1:205: brackets are nested more than 200 deep\n");
  EXPECT_EQ(Loaded("x = " + repeat("{'a':", 60000 / 5)).errors(), "1:1005: brackets are nested more than 200 deep\n");
  EXPECT_EQ(Loaded("x = f'{" + repeat("[", 201) + repeat("]", 201) + "}'").errors(),
            "1:208: brackets are nested more than 200 deep\n");
}

TEST(Limits, FStringsInsideEachOtherNestTheirBrackets) {
  std::string inner = repeat("[", 199) + "1" + repeat("]", 199);
  EXPECT_EQ(Loaded("x = f'''{" + repeat("(", 199) + "f\"{f'{" + inner + "}'}\"" + repeat(")", 199) + "}'''").errors(),
            "");
}

TEST(Limits, ValuesNestTwoHundredDeep) {
  EXPECT_EQ(Loaded("a = [1]\n" + repeat("a = [a]\n", 199)).errors(), "");
  EXPECT_EQ(Loaded("a = [1]\n" + repeat("a = dict(a=a)\n", 200)).errors(),
            "201:9: this value is nested more than 200 deep\n");
}

TEST(Limits, LongFlatExpressionsAreNotDeep) {
  const char *rest = "\nBATCH_SIZE = x";
  EXPECT_EQ(Loaded("x = " + repeat("-", 60000) + "1" + rest).config->batchSize, 1);
  EXPECT_EQ(Loaded("x = " + repeat("1 + ", 15000) + "1" + rest).config->batchSize, 15001);
  EXPECT_EQ(Loaded("x = 3 " + repeat("** 1 ", 12000) + rest).config->batchSize, 3);
  EXPECT_EQ(Loaded("x = " + repeat("0 if 0 else ", 5000) + "7" + rest).config->batchSize, 7);
  EXPECT_EQ(Loaded("x = 1 " + repeat("<= 1 ", 12000) + "\nBATCH_SIZE = int(x)").config->batchSize, 1);
  EXPECT_EQ(Loaded("x = " + repeat("not ", 15000) + "1\nBATCH_SIZE = int(x)").config->batchSize, 1);
  EXPECT_EQ(Loaded("import a\nx = a" + repeat(".b", 20000)).errors(), "");
  EXPECT_EQ(Loaded(repeat("x = ", 15000) + "5" + rest).config->batchSize, 5);
}

TEST(Limits, TheFileAndItsLinesAndWordsAreCounted) {
  EXPECT_EQ(Loaded(repeat("# " + repeat("x", 60) + "\n", 300000)).errors(),
            "1:1: the file has more than 16777216 bytes (16 MiB), the most that are read\n");
  EXPECT_EQ(Loaded("x = 1\n# " + repeat("x", 65536)).errors(),
            "2:1: the line has 65538 bytes; at most 65536 are read\n");
  EXPECT_EQ(Loaded("x = [\n" + repeat("1,\n", 500000) + "]").errors(),
            "500000:2: the file has more than 1000000 words and signs\n");
}

TEST(Limits, TextIsUTF8) {
  EXPECT_EQ(Loaded("x = 1\ny = '\xFF'").errors(), "2:6: byte 0xff is not UTF-8 text\n");
  EXPECT_EQ(Loaded(llvm::StringRef("x = 1\0 + 1", 10)).errors(), "1:6: byte 0x00 is not UTF-8 text\n");
  EXPECT_EQ(Loaded("x = 1 \x01").errors(), "1:7: byte 0x01 has no meaning here\n");
}

TEST(Limits, SharedValuesAreNotCopiedOut) {
  std::string doubled = "a = [1]\n" + repeat("a = [a, a]\n", 100);
  EXPECT_EQ(Loaded(doubled + "b = a == a").errors(), "102:7: these values are too large to compare\n");
  EXPECT_EQ(Loaded(doubled + "b = len(str(a)) > 1000").errors(), "");
  EXPECT_EQ(Loaded(doubled + "parallel = a").errors().substr(0, 24), "102:12: parallel is [[[[");
}

TEST(Limits, StringsAndListsStopGrowing) {
  EXPECT_EQ(Loaded("a = 'x'\n" + repeat("a = a + a\n", 21)).errors(), "22:7: a string of more than 1048576 bytes\n");
  EXPECT_EQ(Loaded("a = [1]\n" + repeat("a = a + a\n", 21)).errors(), "22:7: more than 1048576 values\n");
  EXPECT_EQ(Loaded("a = [1]\n" + repeat("a = [*a, *a]\n", 21)).errors(), "22:10: more than 1048576 values\n");
  EXPECT_EQ(Loaded("a = 'x'\n" + repeat("a = f'{a}{a}'\n", 21)).errors(),
            "22:11: a string of more than 1048576 bytes\n");
}

} // namespace
