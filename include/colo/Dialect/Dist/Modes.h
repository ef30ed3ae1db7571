//===- Modes.h - what a parallel mode asks of the config -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each mode declares beside its policy which groups it can make and which
// options it takes. Whoever reads, checks or prints a config asks here, so that
// no name of a mode stands anywhere else.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_DIST_MODES_H
#define COLO_DIALECT_DIST_MODES_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

namespace colo::dist {

/// The most ranks that a config may ask for.
inline constexpr int64_t kMostRanks = int64_t(1) << 20;

/// Ranks of a group, times the depth if the mode has one.
enum class GroupShape { One, Any, Square, Cube };

struct ModeDescription {
  llvm::StringRef name; ///< as users write it
  GroupShape shape = GroupShape::Any;
  bool takesDepth = false;            ///< and needs it: planes of the shape
  bool takesSequenceParallel = false; ///< values between products may be cut along the sequence
  bool takesSequenceMode = false;     ///< a second mode may divide sequences beside it
  llvm::StringRef sequenceName = "";  ///< as such a second mode; empty if it is none
};

/// Null if there is none of this name. That of one rank is "none".
const ModeDescription *findMode(llvm::StringRef name);
/// By the name that it has beside another mode.
const ModeDescription *findSequenceMode(llvm::StringRef name);
/// The modes of several ranks of which `holds` is true, in the order of tables.
llvm::SmallVector<llvm::StringRef> modeNames(llvm::function_ref<bool(const ModeDescription &)> holds);
/// What may divide sequences beside another mode; the first is the default.
llvm::SmallVector<llvm::StringRef> sequenceModeNames();

/// The largest whole number of which a group of the shape has at most `ranks` ranks.
int64_t sideOf(GroupShape shape, int64_t ranks);
/// Ranks of a group of the shape.
int64_t ranksOf(GroupShape shape, int64_t side);

} // namespace colo::dist

#endif // COLO_DIALECT_DIST_MODES_H
