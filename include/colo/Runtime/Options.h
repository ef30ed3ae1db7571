//===- Options.h - the command line of an executable -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every flag of an executable is in one table (lib/Runtime/Options.cpp), from
// which parsing, --help and "did you mean" are made.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_OPTIONS_H
#define COLO_RUNTIME_OPTIONS_H

#include "colo/Runtime/Status.h"

#include <cstdint>
#include <string>

namespace colo::runtime {

struct Options {
  std::string data, eval, init, exportFile, dumpGrads, log, stats, trace, comm = "auto", rendezvous, overlap = "auto",
                                                                          graph = "auto";
  int64_t steps = 100;
  int64_t ranks = 0;        ///< 0: tensor x pipeline size, times the program's data size
  int64_t seed = -1;        ///< -1: the program's
  int64_t evalEvery = 0;    ///< 0: after the last step only
  int64_t threads = 0;      ///< per rank; 0: cores / ranks
  double commTimeout = 600; ///< seconds
  bool checkReplicas = false, timeProducts = false, profile = false, info = false, quiet = false, help = false;
};

/// Fills `options` from the command line; a usage error names the flag and the
/// nearest one that exists.
Status parseOptions(int argc, char **argv, Options &options);

std::string helpText(const char *program, const char *model);

enum class Integer { None, TooLarge, Some };
/// A decimal integer of digits alone, after a '-' if it is negative. TooLarge: of more than 64 bits.
Integer parseInteger(const std::string &text, int64_t &number);

/// Number of single-character edits between two words.
size_t editDistance(const std::string &a, const std::string &b);

} // namespace colo::runtime

#endif // COLO_RUNTIME_OPTIONS_H
