//===- Generators.cpp - the table of schedules ------------------------------ ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A new schedule is a file, its declaration in GeneratorFiles.h and a row here.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Generators.h"
#include "GeneratorFiles.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"

using namespace colo::schedule;
using llvm::StringRef;
using llvm::Twine;

static const Generator *const table[] = {
    &gpipeGenerator,        &oneForwardOneBackwardGenerator, &interleavedGenerator,
    &zeroBubbleH1Generator, &zeroBubbleH2Generator,          &zeroBubbleVGenerator,
};

llvm::ArrayRef<const Generator *> colo::schedule::generators() { return table; }

const Generator *colo::schedule::findGenerator(StringRef name) {
  for (const Generator *generator : table)
    if (generator->name == name)
      return generator;
  return nullptr;
}

std::optional<Diagnostic> colo::schedule::checkOneChunk(const ScheduleProblem &problem) {
  if (problem.chunks == 1)
    return std::nullopt;
  Diagnostic diagnostic;
  diagnostic.message =
      ("the schedule has " + Twine(problem.chunks) + " chunks; legal: 1 (interleaved takes any number, zbv 2)").str();
  return diagnostic;
}

std::optional<Schedule> colo::schedule::generate(StringRef name, ScheduleProblem &problem, Diagnostic &error) {
  const Generator *generator = findGenerator(name);
  if (!generator) {
    std::string names = llvm::join(llvm::map_range(table, [](const Generator *known) { return known->name; }), ", ");
    error.message = ("there is no schedule \"" + name + "\"; legal: " + names).str();
    return std::nullopt;
  }
  problem.placement = generator->placement;
  // A V needs two chunks: the schedule's own rule says so in the user's terms.
  for (auto found : {generator->check(problem), problem.check()})
    if (found) {
      error = *found;
      return std::nullopt;
    }
  if (problem.liveBounds.empty())
    for (int64_t rank = 0; rank < problem.stages; ++rank)
      problem.liveBounds.push_back(generator->storedActivations(problem, rank));
  return generator->generate(problem);
}
