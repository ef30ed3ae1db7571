//===- Diagnostics.cpp - errors at the user's place -----------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Diagnostics.h. SourceMgr decides where messages go: its handler when one
// is set, standard error otherwise.
//
//===----------------------------------------------------------------------===//

#include "colo/Frontend/Diagnostics.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Unicode.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace colo {

void Diagnostics::error(SMLoc loc, const Twine &message, ArrayRef<DiagnosticNote> notes, SMRange range) {
  ++errors;
  SmallVector<SMRange, 1> ranges;
  if (range.isValid())
    ranges.push_back(range);
  sources.PrintMessage(loc, SourceMgr::DK_Error, message, ranges);
  for (const DiagnosticNote &note : notes)
    sources.PrintMessage(note.loc, SourceMgr::DK_Note, note.text);
}

void Diagnostics::warning(SMLoc loc, const Twine &message, ArrayRef<DiagnosticNote> notes) {
  sources.PrintMessage(loc, SourceMgr::DK_Warning, message);
  for (const DiagnosticNote &note : notes)
    sources.PrintMessage(note.loc, SourceMgr::DK_Note, note.text);
}

void Diagnostics::errorInRawText(SMLoc loc, const Twine &message) {
  ++errors;
  unsigned bufferId = sources.FindBufferContainingLoc(loc);
  auto [line, column] = sources.getLineAndColumn(loc, bufferId);
  const MemoryBuffer *buffer = sources.getMemoryBuffer(bufferId);
  StringRef rest = buffer->getBuffer().drop_front(loc.getPointer() - buffer->getBufferStart() - (column - 1));
  std::string shown = rest.take_front(column + 79).take_until([](char c) { return c == '\n' || c == '\r'; }).str();
  for (char &c : shown)
    c = isPrint(c) ? c : '?';
  SMDiagnostic diagnostic(sources, loc, buffer->getBufferIdentifier(), line, column - 1, SourceMgr::DK_Error,
                          message.str(), shown, {});
  sources.PrintMessage(errs(), diagnostic);
}

static void printHeader(const SMDiagnostic &diagnostic, raw_ostream &os) {
  WithColor(os, raw_ostream::SAVEDCOLOR, /*Bold=*/true)
      << diagnostic.getFilename() << ':' << diagnostic.getLineNo() << ':' << diagnostic.getColumnNo() + 1 << ": ";
  switch (diagnostic.getKind()) {
  case SourceMgr::DK_Error:
    WithColor::error(os);
    break;
  case SourceMgr::DK_Warning:
    WithColor::warning(os);
    break;
  case SourceMgr::DK_Note:
    WithColor::note(os);
    break;
  case SourceMgr::DK_Remark:
    WithColor::remark(os);
    break;
  }
  WithColor(os, raw_ostream::SAVEDCOLOR, /*Bold=*/true) << diagnostic.getMessage() << '\n';
}

namespace {
/// A line as a terminal shows it. Tabs go to the next multiple of 8, as in
/// llvm::SMDiagnostic.
struct ShownLine {
  std::string text;
  std::vector<unsigned> columns; ///< by byte, and one for the end
};
} // namespace

static ShownLine show(StringRef line) {
  ShownLine shown;
  unsigned column = 0;
  for (size_t byte = 0; byte < line.size();) {
    size_t length = std::min<size_t>(getNumBytesForUTF8(line[byte]), line.size() - byte);
    StringRef character = line.substr(byte, length);
    shown.columns.insert(shown.columns.end(), length, column);
    byte += length;
    if (character == "\t") {
      shown.text.append(8 - column % 8, ' ');
      column += 8 - column % 8;
      continue;
    }
    int width = sys::unicode::columnWidthUTF8(character);
    if (width < 0) {
      // Not printable: one column.
      shown.text += '?';
      ++column;
      continue;
    }
    shown.text += character;
    column += width;
  }
  shown.columns.push_back(column);
  return shown;
}

/// The part of a long line around a byte, with what was left out on either side; a line that fits is shown whole.
static ShownLine showAround(StringRef line, size_t byte) {
  constexpr unsigned widest = 160, before = 70;
  static constexpr StringLiteral ellipsis = "...";
  ShownLine whole = show(line);
  if (whole.columns.back() <= widest)
    return whole;
  auto firstAt = [&](unsigned column) { return lower_bound(whole.columns, column) - whole.columns.begin(); };
  unsigned at = whole.columns[std::min(byte, line.size())];
  size_t begin = firstAt(at - std::min(at, before)), end = firstAt(whole.columns[begin] + widest);
  ShownLine part = show(line.slice(begin, end));
  ShownLine shown;
  unsigned shift = begin ? ellipsis.size() : 0;
  shown.text = (Twine(begin ? ellipsis : "") + part.text + (end < line.size() ? ellipsis : "")).str();
  for (size_t i = 0; i <= line.size(); ++i)
    shown.columns.push_back(i < begin ? 0 : shift + part.columns[std::min(i - begin, part.columns.size() - 1)]);
  return shown;
}

void printDiagnostic(const SMDiagnostic &diagnostic, raw_ostream &os) {
  StringRef line = diagnostic.getLineContents();
  // Without a place there is no line.
  if (diagnostic.getColumnNo() < 0)
    return diagnostic.print("", os);
  printHeader(diagnostic, os);
  ShownLine shown = showAround(line, diagnostic.getColumnNo());
  auto columnOf = [&](size_t byte) { return shown.columns[std::min(byte, shown.columns.size() - 1)]; };
  std::string marks(shown.columns.back() + 1, ' ');
  for (auto [begin, end] : diagnostic.getRanges())
    for (unsigned column = columnOf(begin); column < columnOf(end); ++column)
      marks[column] = '~';
  marks[columnOf(diagnostic.getColumnNo())] = '^';
  os << shown.text << '\n';
  WithColor(os, raw_ostream::GREEN, /*Bold=*/true) << StringRef(marks).rtrim() << '\n';
}

/// True if two neighbouring letters of `name` changed places.
static bool isTransposed(StringRef name, StringRef candidate) {
  std::string swapped = name.lower();
  for (size_t i = 0; i + 1 < swapped.size(); ++i) {
    std::swap(swapped[i], swapped[i + 1]);
    if (candidate.equals_insensitive(swapped))
      return true;
    std::swap(swapped[i], swapped[i + 1]);
  }
  return false;
}

std::optional<StringRef> nearestName(StringRef name, ArrayRef<StringRef> candidates) {
  // One slip for every three letters, and any number in case.
  unsigned allowed = name.size() / 3;
  std::optional<StringRef> best;
  unsigned bestDistance = ~0u;
  for (StringRef candidate : candidates) {
    // An allowance of 0 would mean no bound.
    unsigned distance = name.edit_distance_insensitive(candidate, /*AllowReplacements=*/true, allowed + 2);
    if (distance == 2 && isTransposed(name, candidate))
      distance = 1;
    if (distance > allowed || distance >= candidate.size())
      continue;
    // More is left out by mistake than added, and case tells a class from a function.
    auto rank = [&](StringRef near) { return std::make_pair(near.size(), near.front() == name.front()); };
    if (distance < bestDistance || (distance == bestDistance && rank(candidate) > rank(*best))) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string didYouMean(StringRef name, ArrayRef<StringRef> candidates) {
  std::optional<StringRef> best = nearestName(name, candidates);
  return best ? (" (did you mean '" + *best + "'?)").str() : std::string();
}

std::string joinNames(ArrayRef<StringRef> names, StringRef last, bool quote) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i)
      text += i + 1 == names.size() ? (" " + last + " ").str() : std::string(", ");
    text += quote ? ("'" + names[i] + "'").str() : names[i].str();
  }
  return text;
}

ErrorOr<std::unique_ptr<MemoryBuffer>> readSource(StringRef path) {
  namespace fs = llvm::sys::fs;
  bool isStandard = path == "-";
  Expected<fs::file_t> file = isStandard ? Expected<fs::file_t>(fs::getStdinHandle()) : fs::openNativeFileForRead(path);
  if (!file)
    return errorToErrorCode(file.takeError());
  // What has been read stays so, whatever closing says.
  auto close = make_scope_exit([&] {
    if (!isStandard)
      (void)fs::closeFile(*file);
  });
  constexpr size_t limit = SourceLimits::maxFileBytes + 1, step = size_t(64) << 10;
  SmallVector<char, 0> text;
  for (bool ended = false; !ended && text.size() < limit;) {
    size_t before = text.size();
    text.resize_for_overwrite(std::min(limit, before + step));
    Expected<size_t> count = fs::readNativeFile(*file, MutableArrayRef(text).drop_front(before));
    if (!count)
      return errorToErrorCode(count.takeError());
    text.truncate(before + *count);
    ended = *count == 0;
  }
  return MemoryBuffer::getMemBufferCopy(StringRef(text.data(), text.size()), isStandard ? "<stdin>" : path);
}

/// The first byte that is not part of well-formed UTF-8, or the end.
static const char *findInvalidUTF8(StringRef text) {
  const auto *at = reinterpret_cast<const UTF8 *>(text.begin());
  const auto *end = reinterpret_cast<const UTF8 *>(text.end());
  isLegalUTF8String(&at, end);
  return reinterpret_cast<const char *>(at);
}

bool checkSourceBytes(unsigned bufferId, Diagnostics &diagnostics) {
  StringRef text = diagnostics.getSources().getMemoryBuffer(bufferId)->getBuffer();
  SMLoc start = SMLoc::getFromPointer(text.begin());
  if (text.size() > SourceLimits::maxFileBytes) {
    diagnostics.errorInRawText(start, "the file has more than " + Twine(SourceLimits::maxFileBytes) +
                                          " bytes (16 MiB), the most that are read");
    return false;
  }
  for (size_t line = 0; line < text.size();) {
    size_t end = std::min(text.find('\n', line), text.size());
    if (end - line > SourceLimits::maxLineBytes) {
      diagnostics.errorInRawText(SMLoc::getFromPointer(text.data() + line),
                                 "the line has " + Twine(end - line) + " bytes; at most " +
                                     Twine(SourceLimits::maxLineBytes) + " are read");
      return false;
    }
    line = end + 1;
  }
  const char *bad = std::min(findInvalidUTF8(text), text.data() + std::min(text.find('\0'), text.size()));
  if (bad == text.end())
    return true;
  diagnostics.errorInRawText(SMLoc::getFromPointer(bad),
                             "byte 0x" + toHex(StringRef(bad, 1), /*LowerCase=*/true) + " is not UTF-8 text");
  return false;
}

} // namespace colo
