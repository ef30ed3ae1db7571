//===- Partition.cpp - layers to pipeline stages ---------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Colossal-AI's two methods and the user's list.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Partition.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <numeric>

using namespace colo::schedule;
using llvm::ArrayRef;
using llvm::Twine;

static std::nullopt_t fail(Diagnostic &error, const Twine &message) {
  error.message = message.str();
  return std::nullopt;
}

/// True if each of the virtual stages can have a layer.
static bool checkSizes(int64_t layers, int64_t stages, int64_t chunks, Diagnostic &error) {
  ScheduleProblem problem;
  problem.stages = stages;
  problem.chunks = chunks;
  if (std::optional<Diagnostic> illegal = problem.check()) {
    error = *illegal;
    return false;
  }
  if (layers >= stages * chunks)
    return true;
  fail(error, "the model has " + Twine(layers) + " layers, too few for " + Twine(stages) + " stages" +
                  (chunks > 1 ? " of " + Twine(chunks).str() + " chunks" : std::string()) +
                  ": a stage would be empty; legal: at most " + Twine(layers) + " stages" +
                  (chunks > 1 ? " x chunks" : ""));
  return false;
}

std::optional<Partition> colo::schedule::partitionUniform(int64_t layers, int64_t stages, int64_t chunks,
                                                          Diagnostic &error) {
  if (!checkSizes(layers, stages, chunks, error))
    return std::nullopt;
  if (layers % chunks != 0)
    return fail(error, "a uniform partition gives each of the " + Twine(chunks) +
                           " chunks as many layers, and the model has " + Twine(layers) + "; legal: a multiple of " +
                           Twine(chunks) + " layers, a balanced partition, or a list of layers");
  Partition partition;
  int64_t perChunk = layers / chunks, begin = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t stage = 0; stage < stages; ++stage) {
      int64_t size = perChunk / stages + (stage >= stages - perChunk % stages);
      partition.push_back({begin, begin + size});
      begin += size;
    }
  return partition;
}

//===----------------------------------------------------------------------===//
// Balanced
//===----------------------------------------------------------------------===//

static int64_t sumOf(ArrayRef<int64_t> costs, LayerRange range) {
  return std::accumulate(costs.begin() + range.begin, costs.begin() + range.end, int64_t(0));
}

/// Fills one range after the other from the left, each as far as `cap` goes.
/// No cost is above `cap`.
static Partition pack(ArrayRef<int64_t> costs, int64_t cap) {
  Partition partition;
  int64_t begin = 0, sum = 0, layers = costs.size();
  for (int64_t layer = 0; layer < layers; ++layer) {
    if (sum + costs[layer] > cap) {
      partition.push_back({begin, layer});
      begin = layer;
      sum = 0;
    }
    sum += costs[layer];
  }
  partition.push_back({begin, layers});
  return partition;
}

/// Cuts the most expensive range of several layers where its halves differ
/// least. There is one, as long as there are fewer ranges than layers.
static void splitHeaviest(ArrayRef<int64_t> costs, Partition &partition) {
  size_t heaviest = 0;
  int64_t weight = -1;
  for (auto [index, range] : llvm::enumerate(partition))
    if (int64_t sum = sumOf(costs, range); range.size() > 1 && sum > weight) {
      heaviest = index;
      weight = sum;
    }
  LayerRange range = partition[heaviest];
  int64_t front = 0, best = range.begin + 1, bestDifference = INT64_MAX;
  for (int64_t cut = range.begin + 1; cut < range.end; ++cut) {
    front += costs[cut - 1];
    // |weight - 2 front|, written so that it stays in range.
    int64_t back = weight - front, difference = back > front ? back - front : front - back;
    if (difference < bestDifference) {
      best = cut;
      bestDifference = difference;
    }
  }
  partition[heaviest] = {range.begin, best};
  partition.insert(partition.begin() + heaviest + 1, LayerRange{best, range.end});
}

std::optional<Partition> colo::schedule::partitionBalanced(ArrayRef<int64_t> userCosts, int64_t stages, int64_t chunks,
                                                           Diagnostic &error) {
  if (!checkSizes(userCosts.size(), stages, chunks, error))
    return std::nullopt;
  std::vector<int64_t> costs;
  int64_t total = 0;
  for (auto [layer, cost] : llvm::enumerate(userCosts)) {
    if (cost < 0)
      return fail(error, "the cost of layer " + Twine(layer) + " is " + Twine(cost) + "; legal: at least 0");
    costs.push_back(std::max<int64_t>(cost, 1));
    if (llvm::AddOverflow(total, costs.back(), total))
      return fail(error, "the costs of the layers up to layer " + Twine(layer) + " sum to more than " +
                             Twine(INT64_MAX) + "; legal: a sum of at most that");
  }
  // The least cap with which packing needs no more ranges than there are stages.
  size_t wanted = stages * chunks;
  int64_t low = *std::max_element(costs.begin(), costs.end()), high = total;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (pack(costs, middle).size() <= wanted)
      high = middle;
    else
      low = middle + 1;
  }
  Partition partition = pack(costs, low);
  while (partition.size() < wanted)
    splitHeaviest(costs, partition);
  return partition;
}

//===----------------------------------------------------------------------===//
// The user's list
//===----------------------------------------------------------------------===//

std::optional<Partition> colo::schedule::partitionByList(int64_t layers, ArrayRef<int64_t> counts, int64_t stages,
                                                         int64_t chunks, Diagnostic &error) {
  if (!checkSizes(layers, stages, chunks, error))
    return std::nullopt;
  if (static_cast<int64_t>(counts.size()) != stages * chunks)
    return fail(error, "the list of layers per stage has " + Twine(counts.size()) +
                           " entries; legal: " + Twine(stages * chunks) + ", one for each of " + Twine(stages) +
                           " stages x " + Twine(chunks) + " chunks");
  Partition partition;
  int64_t begin = 0;
  for (auto [stage, count] : llvm::enumerate(counts)) {
    if (count < 1)
      return fail(error, "stage " + Twine(stage) + " of the list has " + Twine(count) +
                             " layers; legal: at least 1, and " + Twine(layers) + " in all");
    if (count > layers - begin)
      return fail(error, "the first " + Twine(stage + 1) + " stages of the list have more than the " + Twine(layers) +
                             " layers of the model; legal: " + Twine(layers) + " in all");
    partition.push_back({begin, begin + count});
    begin += count;
  }
  if (begin != layers)
    return fail(error, "the stages of the list have " + Twine(begin) + " layers; legal: " + Twine(layers) +
                           " in all, as the model has");
  return partition;
}
