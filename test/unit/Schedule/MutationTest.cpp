//===- MutationTest.cpp - damaged schedules are recognised ------------------ ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Thousands of random mutations of every schedule. Those that cannot leave a correct
// schedule must be refused; for the others, such as the swap of two actions that do
// not depend on each other, the verifier must agree with the second opinion of
// ReferenceCheck.h.
//
//===----------------------------------------------------------------------===//

#include "ReferenceCheck.h"
#include "TestSupport.h"
#include <random>

using namespace colo::schedule;

namespace {

enum class Mutation { Drop, Duplicate, Swap, Retype, Redirect, Renumber, OtherRank, Regroup };
constexpr int numMutations = 8;

/// True if the result cannot be correct, whatever was hit.
bool alwaysWrong(Mutation mutation) {
  return mutation == Mutation::Drop || mutation == Mutation::Duplicate || mutation == Mutation::Retype ||
         mutation == Mutation::Redirect || mutation == Mutation::Renumber || mutation == Mutation::OtherRank;
}

class Mutator {
public:
  Mutator(const ScheduleProblem &problem, unsigned seed) : problem(problem), random(seed) {}

  int64_t below(int64_t end) { return std::uniform_int_distribution<int64_t>(0, end - 1)(random); }

  /// Applies `mutation` somewhere. Returns false where the place has nothing to
  /// mutate in this way.
  bool apply(Mutation mutation, Schedule &schedule) {
    std::vector<Action> &list = schedule.ranks[below(schedule.ranks.size())];
    size_t place = below(list.size());
    Action &action = list[place], before = action;
    switch (mutation) {
    case Mutation::Drop:
      list.erase(list.begin() + place);
      return true;
    case Mutation::Duplicate:
      list.insert(list.begin() + below(list.size() + 1), before);
      return true;
    case Mutation::Swap:
      std::swap(action, list[below(2) ? std::min(place + 1, list.size() - 1) : below(list.size())]);
      return true;
    case Mutation::Retype:
      action.kind = static_cast<ActionKind>(below(numActionKinds));
      return action != before;
    case Mutation::Redirect:
      action.peer = static_cast<int32_t>(below(problem.stages + 2)) - 1;
      return !isCompute(action.kind) && action != before;
    case Mutation::Renumber:
      action.microBatch = static_cast<int32_t>(below(problem.microBatches + 2)) - 1;
      action.chunk = static_cast<int32_t>(below(problem.chunks + 2)) - 1;
      return action != before;
    case Mutation::OtherRank:
      return moveToOtherRank(schedule, list, place);
    case Mutation::Regroup:
      action.grouped = !action.grouped;
      return true;
    }
    return false;
  }

private:
  bool moveToOtherRank(Schedule &schedule, std::vector<Action> &list, size_t place) {
    std::vector<Action> &other = schedule.ranks[below(schedule.ranks.size())];
    if (&other == &list)
      return false;
    other.insert(other.begin() + below(other.size() + 1), list[place]);
    list.erase(list.begin() + place);
    return true;
  }

  const ScheduleProblem &problem;
  std::mt19937 random;
};

/// How many mutants of a kind were refused and accepted.
struct Tally {
  int refused = 0, accepted = 0;
};

/// Every action that a diagnostic names stands where it says.
void expectTrueReferences(const Diagnostic &error, const Schedule &schedule) {
  EXPECT_FALSE(error.message.empty());
  EXPECT_LE(error.actions.size(), 2u);
  for (const ActionReference &reference : error.actions) {
    ASSERT_LT(static_cast<size_t>(reference.rank), schedule.ranks.size());
    ASSERT_LT(static_cast<size_t>(reference.index), schedule.ranks[reference.rank].size());
    EXPECT_EQ(schedule.ranks[reference.rank][reference.index], reference.action);
    EXPECT_NE(error.message.find(reference.text()), std::string::npos) << error.message;
  }
}

void mutate(llvm::StringRef name, int64_t chunks, bool transfers, Tally (&tallies)[numMutations]) {
  const std::pair<int64_t, int64_t> sizes[] = {{2, 4}, {3, 6}, {4, 8}};
  for (auto [stages, microBatches] : sizes) {
    ScheduleProblem problem = makeProblem(stages, microBatches, chunks, {2, 2, 1});
    Schedule original = mustGenerate(name, problem);
    if (transfers)
      original = insertTransfers(problem, original);
    ASSERT_FALSE(problem.verify(original)) << messageOf(problem.verify(original));
    ASSERT_TRUE(referenceAccepts(problem, original));
    Mutator mutator(problem, 1);
    for (int round = 0; round < 2400; ++round) {
      Mutation mutation = static_cast<Mutation>(round % numMutations);
      Schedule mutant = original;
      if (!mutator.apply(mutation, mutant))
        continue;
      std::optional<Diagnostic> error = problem.verify(mutant);
      ASSERT_EQ(!error, referenceAccepts(problem, mutant)) << messageOf(error) << "\n" << toText(mutant);
      (error ? tallies[round % numMutations].refused : tallies[round % numMutations].accepted) += 1;
      if (error)
        expectTrueReferences(*error, mutant);
      else
        EXPECT_GE(simulate(problem, mutant).makespan, referenceMakespan(problem, removeTransfers(mutant)));
    }
  }
}

class Mutations : public testing::TestWithParam<bool> {};

TEST_P(Mutations, AreRecognised) {
  Tally tallies[numMutations];
  for (const Generator *generator : generators()) {
    bool several = generator->name == "interleaved" || generator->name == "zbv";
    mutate(generator->name, several ? 2 : 1, GetParam(), tallies);
  }
  int refused = 0;
  for (int i = 0; i < numMutations; ++i) {
    if (alwaysWrong(static_cast<Mutation>(i))) {
      EXPECT_EQ(tallies[i].accepted, 0) << "mutation " << i;
    }
    refused += tallies[i].refused;
  }
  // Both kinds of swap came up, and enough of everything.
  EXPECT_GT(tallies[static_cast<int>(Mutation::Swap)].refused, 1000);
  EXPECT_GT(tallies[static_cast<int>(Mutation::Swap)].accepted, 100);
  EXPECT_GT(refused, 20000);
}

INSTANTIATE_TEST_SUITE_P(Schedules, Mutations, testing::Bool(), [](const testing::TestParamInfo<bool> &info) {
  return info.param ? "WithTransfers" : "OfCompute";
});

} // namespace
