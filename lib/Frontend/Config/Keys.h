//===- Keys.h - reading and checking the values of keys --------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the resolvers share: a dict of the user's with its path and legal keys,
// and readers that check one value and report it with the fact and the legal
// values. Values that an earlier error poisoned are passed over in silence.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_KEYS_H
#define COLO_LIB_FRONTEND_CONFIG_KEYS_H

#include "Evaluator.h"
#include "colo/Frontend/Config.h"

namespace colo::config {

/// What all resolvers work on.
struct Resolver {
  Diagnostics &diagnostics;
  const Scope &scope;
  const SupportedFeatures &supported;
  ParallelConfig config = {};

  /// The value of a top-level key, or null if it is absent or was reported.
  const Item *find(llvm::StringRef key) const;
  /// Reports that `what` is not supported yet, and what to write instead, unless `feature` is there.
  bool require(llvm::StringRef feature, llvm::SMRange where, const llvm::Twine &what, const llvm::Twine &instead);
  void error(llvm::SMRange where, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {}) {
    diagnostics.error(where.Start, message, notes, where);
  }
};

/// Checks that `item` is a dict with no keys but `legal`; reports each unknown
/// key and sets `unknown`, since a key that is missing may be one that was
/// misspelt. Returns the dict, or null if it is none.
const Dict *readDict(Resolver &resolver, const Item &item, llvm::StringRef path, llvm::ArrayRef<llvm::StringRef> legal,
                     llvm::StringRef example, bool &unknown);

/// An entry whose value was not reported before, or null.
const Item *findKey(const Dict &dict, llvm::StringRef key);

/// "path is 'x' (str)", as the fact at the start of a message.
std::string describe(llvm::StringRef path, const Value &value);

/// Readers: false after a diagnostic, or for poison; `result` is then unchanged.
/// A count is an int (bools are not) of at least `minimum` and at most 2^48.
bool readCount(Resolver &resolver, const Item &item, llvm::StringRef path, int64_t minimum, Sourced<int64_t> &result);
bool readReal(Resolver &resolver, const Item &item, llvm::StringRef path, Sourced<double> &result);
/// A number in [0, 1), for decay rates.
bool readRate(Resolver &resolver, const Item &item, llvm::StringRef path, Sourced<double> &result);
bool readBool(Resolver &resolver, const Item &item, llvm::StringRef path, Sourced<bool> &result);
/// A string, or the last part of an imported name; empty where the value is neither. The value owns it.
llvm::StringRef nameIn(const Value &value);
/// Such a name among `legal`; `more` says what else there is.
bool readName(Resolver &resolver, const Item &item, llvm::StringRef path, llvm::ArrayRef<llvm::StringRef> legal,
              Sourced<std::string> &result, llvm::StringRef more = {});

void resolveParallel(Resolver &resolver, int64_t worldSize);
void resolveTraining(Resolver &resolver);
void resolvePrecision(Resolver &resolver);

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_KEYS_H
