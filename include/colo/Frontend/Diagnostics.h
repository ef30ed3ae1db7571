//===- Diagnostics.h - errors at the user's place --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What both frontends use to speak to the user: errors and warnings through
// llvm::SourceMgr (file, line, column, source line, caret), each with notes at
// the other places involved, and the nearest legal spelling of a name.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_FRONTEND_DIAGNOSTICS_H
#define COLO_FRONTEND_DIAGNOSTICS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorOr.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SMLoc.h"
#include "llvm/Support/SourceMgr.h"
#include <memory>
#include <optional>
#include <string>

namespace colo {

/// A second place that an error talks about.
struct DiagnosticNote {
  llvm::SMLoc loc;
  std::string text;
};

/// Reports through one SourceMgr and counts. Messages start with a small letter
/// and have no full stop, as in clang.
class Diagnostics {
public:
  explicit Diagnostics(llvm::SourceMgr &sources) : sources(sources) {}

  /// An error with its caret at `loc`, the range underlined when it is valid.
  void error(llvm::SMLoc loc, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {},
             llvm::SMRange range = {});
  void warning(llvm::SMLoc loc, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {});
  /// An error in text that is not fit to print: 80 bytes of the line from `loc`
  /// on are shown, with '?' for what is not printable.
  void errorInRawText(llvm::SMLoc loc, const llvm::Twine &message);

  unsigned numErrors() const { return errors; }
  llvm::SourceMgr &getSources() { return sources; }

private:
  llvm::SourceMgr &sources;
  unsigned errors = 0;
};

/// Prints as llvm::SMDiagnostic does, and also draws the caret under lines with
/// other characters than ASCII, by the columns that they take on a terminal. Of
/// a line of more than 160 columns the part around the caret is shown.
void printDiagnostic(const llvm::SMDiagnostic &diagnostic, llvm::raw_ostream &os);

/// The candidate nearest to `name` by edit distance, letter case counting
/// little; nullopt if none is near enough to be what was meant.
std::optional<llvm::StringRef> nearestName(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

/// " (did you mean 'x'?)", or "" if nothing is near.
std::string didYouMean(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

/// "a, b and c", with `last` as the last separator's word; each name in quotes
/// if `quote`.
std::string joinNames(llvm::ArrayRef<llvm::StringRef> names, llvm::StringRef last = "and", bool quote = false);

/// The limits of an input file (bytes, brackets, tokens and bytes a line). They
/// are checked before a recursive parser sees the text.
struct SourceLimits {
  static constexpr size_t maxFileBytes = size_t(16) << 20;
  static constexpr size_t maxLineBytes = size_t(64) << 10;
  static constexpr size_t maxTokens = 1000000;
  static constexpr unsigned maxNesting = 200;
};

/// Reads a file, a pipe or a device; `-` is standard input. Of one that is larger than SourceLimits::maxFileBytes, or
/// has no end, one byte more than that.
llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> readSource(llvm::StringRef path);

/// Checks what can be checked on bytes: file size, line length, UTF-8 without
/// NUL. Reports the first problem and returns false.
bool checkSourceBytes(unsigned bufferId, Diagnostics &diagnostics);

} // namespace colo

#endif // COLO_FRONTEND_DIAGNOSTICS_H
