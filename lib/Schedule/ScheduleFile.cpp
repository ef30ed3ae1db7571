//===- ScheduleFile.cpp - schedules as text --------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A reader of one pass over the characters: the grammar of ScheduleFile.h has no
// nesting. It stops at the first error.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/ScheduleFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace colo::schedule;
using llvm::StringRef;
using llvm::Twine;

namespace {

class Reader {
public:
  Reader(StringRef text, Diagnostic &error, ScheduleText &places) : text(text), error(error), places(places) {}
  std::optional<Schedule> run();

private:
  bool readRow();
  bool readCell();
  bool readAction(bool grouped);
  bool readKind(ActionKind &kind);
  bool readNumber(StringRef what, int32_t &number);

  bool atEnd() const { return offset == text.size(); }
  bool atEndOfLine() const { return atEnd() || text[offset] == '\n'; }
  bool at(char c) const { return !atEnd() && text[offset] == c; }
  bool atSeparator() const { return atEndOfLine() || StringRef(", \t\r").contains(text[offset]); }
  void skip(StringRef characters) {
    while (!atEnd() && characters.contains(text[offset]))
      ++offset;
  }
  /// What stands at the offset, for a message.
  std::string found() const;
  TextPlace placeAt(size_t at) const { return {line, static_cast<unsigned>(at - lineStart + 1)}; }
  bool fail(const Twine &message);

  StringRef text;
  size_t offset = 0, lineStart = 0;
  unsigned line = 1;
  Diagnostic &error;
  ScheduleText &places;
  Schedule schedule;
};

} // namespace

std::string Reader::found() const {
  if (atEnd())
    return "the end of the file";
  if (atEndOfLine() || text[offset] == '\r')
    return "the end of the line";
  if (!llvm::isPrint(text[offset]))
    return "the byte 0x" + llvm::toHex(text.substr(offset, 1), /*LowerCase=*/true);
  return ("\"" + text.substr(offset, 1) + "\"").str();
}

bool Reader::fail(const Twine &message) {
  error.message = message.str();
  error.line = placeAt(offset).line;
  error.column = placeAt(offset).column;
  return false;
}

bool Reader::readKind(ActionKind &kind) {
  // No name begins with another one, so the order is of no account.
  for (unsigned i = 0; i < numActionKinds; ++i) {
    kind = static_cast<ActionKind>(i);
    if (!text.substr(offset).starts_with(mnemonic(kind)))
      continue;
    offset += mnemonic(kind).size();
    return true;
  }
  return fail("expected an action, found " + found() + "; legal: F, B, I, W, SA, RA, SG, RG or -");
}

bool Reader::readNumber(StringRef what, int32_t &number) {
  size_t begin = offset;
  while (!atEnd() && llvm::isDigit(text[offset]))
    ++offset;
  if (offset == begin)
    return fail("expected the number of a " + what + ", found " + found());
  if (!text.slice(begin, offset).getAsInteger(10, number))
    return true;
  offset = begin;
  return fail("the number of the " + what + " is too large; legal: 0 to " + Twine(INT32_MAX));
}

bool Reader::readAction(bool grouped) {
  Action action;
  size_t begin = offset;
  action.grouped = grouped;
  if (!readKind(action.kind))
    return false;
  if (grouped && isCompute(action.kind)) {
    offset = begin;
    return fail("only transfers can be grouped; legal after +: SA, RA, SG, RG");
  }
  if (!readNumber("micro-batch", action.microBatch))
    return false;
  if (at('.')) {
    ++offset;
    if (!readNumber("chunk", action.chunk))
      return false;
  }
  if (!isCompute(action.kind)) {
    char arrow = isSend(action.kind) ? '>' : '<';
    if (!at(arrow))
      return fail("expected \"" + Twine(arrow) + "\" and the other rank, found " + found());
    ++offset;
    if (!readNumber("rank", action.peer))
      return false;
  }
  schedule.ranks.back().push_back(action);
  places.actions.back().push_back(placeAt(begin));
  return true;
}

bool Reader::readCell() {
  if (at('-')) {
    ++offset;
  } else {
    if (!readAction(/*grouped=*/false))
      return false;
    while (at('+')) {
      if (isCompute(schedule.ranks.back().back().kind))
        return fail("only transfers can be grouped; legal before +: SA, RA, SG, RG");
      ++offset;
      if (!readAction(/*grouped=*/true))
        return false;
    }
  }
  if (!atSeparator())
    return fail("expected a comma or a blank after the action, found " + found());
  return true;
}

bool Reader::readRow() {
  schedule.ranks.emplace_back();
  places.rows.push_back(placeAt(offset));
  places.actions.emplace_back();
  while (true) {
    skip(", \t\r");
    if (atEndOfLine())
      return true;
    if (!readCell())
      return false;
  }
}

std::optional<Schedule> Reader::run() {
  constexpr StringRef byteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(byteOrderMark))
    offset = byteOrderMark.size();
  while (!atEnd()) {
    skip(" \t\r");
    if (at('#'))
      offset = std::min(text.find('\n', offset), text.size());
    else if (!atEndOfLine() && !readRow())
      return std::nullopt;
    if (!atEnd())
      ++offset;
    lineStart = offset;
    ++line;
  }
  return std::move(schedule);
}

TextPlace ScheduleText::placeOf(const Diagnostic &wrong) const {
  if (!wrong.actions.empty())
    return placeOf(wrong.actions.front());
  if (rows.empty())
    return {};
  return rows[std::min<size_t>(std::max(wrong.rank, 0), rows.size() - 1)];
}

std::optional<Schedule> colo::schedule::readSchedule(StringRef text, Diagnostic &error, ScheduleText *places) {
  ScheduleText unused;
  return Reader(text, error, places ? *places : unused).run();
}

void colo::schedule::writeSchedule(const Schedule &schedule, llvm::raw_ostream &os) {
  for (const std::vector<Action> &list : schedule.ranks) {
    // An empty line would be no row.
    if (list.empty())
      os << '-';
    for (size_t i = 0; i < list.size(); ++i)
      os << (i == 0 ? "" : list[i].grouped ? "+" : ",") << list[i].text();
    os << '\n';
  }
}
