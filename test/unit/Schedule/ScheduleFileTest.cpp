//===- ScheduleFileTest.cpp - schedules as text ----------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Round trips, errors with their place, and hostile input.
//
//===----------------------------------------------------------------------===//

#include "TestSupport.h"
#include <random>

using namespace colo::schedule;

namespace {

std::string errorOf(llvm::StringRef text) {
  Diagnostic error;
  if (readSchedule(text, error))
    return "read";
  return std::to_string(error.line) + ":" + std::to_string(error.column) + ": " + error.message;
}

TEST(ScheduleFile, RoundTripOfEverySchedule) {
  for (const Generator *generator : generators())
    for (int64_t stages : {1, 2, 5}) {
      bool several = generator->name == "interleaved" || generator->name == "zbv";
      ScheduleProblem problem = makeProblem(stages, 3 * stages, several ? 2 : 1);
      Schedule schedule = mustGenerate(generator->name, problem);
      for (const Schedule &version : {schedule, insertTransfers(problem, schedule)})
        EXPECT_EQ(mustRead(toText(version)), version);
    }
}

TEST(ScheduleFile, RoundTripOfOddSchedules) {
  for (llvm::StringRef text : {"", "-\n", "-\nF2147483647.2147483647\n-\n", "SA0>0+RG1.2<3+SG4>5,RA6<7\n"})
    EXPECT_EQ(toText(mustRead(text)), text.str());
}

TEST(ScheduleFile, BlanksIdleCellsAndComments) {
  Schedule plain = mustRead("F0,F1,B0,B1\nF0,B0,F1,B1\n");
  EXPECT_EQ(mustRead("# two stages\n\nF0 F1 B0 B1\r\n  # the last one\n,F0.0,B0,,F1, -\tB1"), plain);
  EXPECT_EQ(plain.ranks.size(), 2u);
}

TEST(ScheduleFile, ErrorsNameTheirPlace) {
  EXPECT_EQ(errorOf("F0,X1"), "1:4: expected an action, found \"X\"; legal: F, B, I, W, SA, RA, SG, RG or -");
  EXPECT_EQ(errorOf("F0\nB"), "2:2: expected the number of a micro-batch, found the end of the file");
  EXPECT_EQ(errorOf("F0 B\nF0"), "1:5: expected the number of a micro-batch, found the end of the line");
  EXPECT_EQ(errorOf("F-1"), "1:2: expected the number of a micro-batch, found \"-\"");
  EXPECT_EQ(errorOf("F0.x"), "1:4: expected the number of a chunk, found \"x\"");
  EXPECT_EQ(errorOf("# a\n\nF0B0"), "3:3: expected a comma or a blank after the action, found \"B\"");
  EXPECT_EQ(errorOf("F2147483648"), "1:2: the number of the micro-batch is too large; legal: 0 to 2147483647");
  EXPECT_EQ(errorOf("SA0"), "1:4: expected \">\" and the other rank, found the end of the file");
  EXPECT_EQ(errorOf("RA0>1"), "1:4: expected \"<\" and the other rank, found \">\"");
  EXPECT_EQ(errorOf("RA0<"), "1:5: expected the number of a rank, found the end of the file");
  EXPECT_EQ(errorOf("SA0>1+F0"), "1:7: only transfers can be grouped; legal after +: SA, RA, SG, RG");
  EXPECT_EQ(errorOf("F0+SA0>1"), "1:3: only transfers can be grouped; legal before +: SA, RA, SG, RG");
  EXPECT_EQ(errorOf(llvm::StringRef("F0,\0", 4)),
            "1:4: expected an action, found the byte 0x00; legal: F, B, I, W, SA, RA, SG, RG or -");
  EXPECT_EQ(errorOf("\xff"), "1:1: expected an action, found the byte 0xff; legal: F, B, I, W, SA, RA, SG, RG or -");
}

TEST(ScheduleFile, PlacesAreThoseOfTheText) {
  Diagnostic error;
  ScheduleText text;
  ASSERT_TRUE(readSchedule("\xef\xbb\xbf# two stages\r\n F0, SA0>1+RG0<1\r\n\r\n-,RA0<0\r\n", error, &text));
  ASSERT_EQ(text.rows.size(), 2u);
  auto place = [](TextPlace at) { return std::to_string(at.line) + ":" + std::to_string(at.column); };
  auto placeOf = [&](int32_t rank, int32_t index) { return place(text.placeOf(ActionReference{rank, index, {}})); };
  EXPECT_EQ(placeOf(0, 0), "2:2");
  EXPECT_EQ(placeOf(0, 1), "2:6");
  EXPECT_EQ(placeOf(0, 2), "2:12");
  EXPECT_EQ(placeOf(1, 0), "4:3");
  Diagnostic wrong;
  EXPECT_EQ(place(text.placeOf(wrong)), "2:2");
  wrong.rank = 7;
  EXPECT_EQ(place(text.placeOf(wrong)), "4:1");
  wrong.actions = {{0, 2, {}}, {0, 0, {}}};
  EXPECT_EQ(place(text.placeOf(wrong)), "2:12");
}

/// Reads what may be anything. What is read must survive the round trip, and
/// verifying it must end.
void digest(const std::string &text) {
  Diagnostic error;
  std::optional<Schedule> schedule = readSchedule(text, error);
  if (!schedule) {
    EXPECT_FALSE(error.message.empty());
    EXPECT_GE(error.line, 1u);
    EXPECT_GE(error.column, 1u);
    return;
  }
  EXPECT_EQ(mustRead(toText(*schedule)), *schedule);
  ScheduleProblem problem = makeProblem(3, 6);
  (void)problem.verify(*schedule);
}

TEST(ScheduleFile, RandomDamageIsReadOrRefused) {
  ScheduleProblem problem = makeProblem(3, 6);
  const std::string original = toText(insertTransfers(problem, mustGenerate("1f1b", problem)));
  const llvm::StringRef alphabet = "FBIWSARG0123456789.,+-<># \n\t\r\"";
  std::mt19937 random(1);
  auto below = [&](size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random); };
  for (int round = 0; round < 20000; ++round) {
    std::string text = original;
    for (size_t i = 0, edits = 1 + below(8); i < edits; ++i) {
      size_t place = below(text.size());
      char c = below(10) ? alphabet[below(alphabet.size())] : static_cast<char>(below(256));
      if (size_t what = below(4); what == 0)
        text.erase(place, 1 + below(20));
      else if (what == 1)
        text.insert(place, 1 + below(30), c);
      else
        text[place] = c;
      if (text.empty())
        text = "F";
    }
    digest(text);
  }
}

TEST(ScheduleFile, LongInput) {
  digest(std::string(1 << 20, '-'));
  digest(std::string(1 << 20, ','));
  digest(std::string(1 << 20, '\n'));
  digest("F" + std::string(1 << 20, '9'));
  std::string cells;
  for (int i = 0; i < 100000; ++i)
    cells += "SA0>1+";
  digest(cells);
  digest(cells + "RA0<1");
}

} // namespace
