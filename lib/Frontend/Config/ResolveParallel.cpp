//===- ResolveParallel.cpp - the key `parallel` ---------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Pipeline, tensor, sequence and data sizes, and the rules between them. What is
// not legal is reported before what is not supported yet.
//
//===----------------------------------------------------------------------===//

#include "Keys.h"
#include "colo/Dialect/Dist/Modes.h"

using namespace llvm;
using colo::dist::GroupShape;
using colo::dist::ModeDescription;

namespace colo::config {

static const StringRef scheduleNames[] = {"gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zbv"};
static const StringRef partitionNames[] = {"uniform", "balanced"};

//===----------------------------------------------------------------------===//
// Tensor
//===----------------------------------------------------------------------===//

static SmallVector<StringRef> allModeNames() {
  return dist::modeNames([](const ModeDescription &) { return true; });
}

/// For examples: a mode that takes any size.
static std::string exampleMode() {
  auto names = dist::modeNames([](const ModeDescription &mode) { return mode.shape == GroupShape::Any; });
  return "mode='" + names.front().str() + "'";
}

/// "'2d' and '3d'": the modes that take an option.
static std::string modesWith(bool ModeDescription::*option) {
  auto names = dist::modeNames([&](const ModeDescription &mode) { return mode.*option; });
  return joinNames(names, "and", /*quote=*/true);
}

/// False after a diagnostic. None and a missing mode are "none".
static bool readMode(Resolver &resolver, const Item &item, Sourced<TensorMode> &result) {
  if (item.value.isPoison())
    return false;
  const std::string *name = item.value.asString();
  SmallVector<StringRef> names = allModeNames();
  if (item.value.isNone() || (name && is_contained(names, StringRef(*name)))) {
    result = {name ? *name : "none", item.range.Start};
    return true;
  }
  std::string hint;
  if (name && (*name == "none" || *name == "None" || name->empty()))
    hint = " (write None without quotes for no mode)";
  else if (name)
    hint = didYouMean(*name, names);
  resolver.error(item.range, describe("parallel.tensor.mode", item.value) + "; it must be None, " +
                                 joinNames(names, "or", /*quote=*/true) + hint);
  return false;
}

static StringRef nameOf(GroupShape shape) {
  switch (shape) {
  case GroupShape::One:
    return "one rank";
  case GroupShape::Any:
    return "any number";
  case GroupShape::Square:
    return "a square";
  case GroupShape::Cube:
    return "a cube";
  }
  llvm_unreachable("unknown shape");
}

static std::string quoteMode(StringRef mode) { return mode == "none" ? "None" : "'" + mode.str() + "'"; }

static void needMode(Resolver &resolver, SMRange where, const Twine &what) {
  int64_t size = resolver.config.tensorSize;
  resolver.error(where, what + " needs a mode: write tensor=dict(size=" + Twine(size) + ", " + exampleMode() +
                            "), or another of " + joinNames(allModeNames(), "and", /*quote=*/true));
}

/// A mode with a depth needs one, and no other takes one.
static bool checkDepth(Resolver &resolver, const Dict &tensor, SMRange where, const ModeDescription &mode) {
  const Entry *depth = tensor.find("depth");
  if (!mode.takesDepth) {
    if (depth)
      resolver.error(depth->keyRange, "'depth' belongs to mode " + modesWith(&ModeDescription::takesDepth) +
                                          " only; the mode is " + quoteMode(mode.name));
    return !depth;
  }
  if (!depth) {
    resolver.error(where, "mode '" + mode.name + "' needs a depth: write depth=d, where the size is d times " +
                              nameOf(mode.shape));
    return false;
  }
  return readCount(resolver, depth->item, "parallel.tensor.depth", 1, resolver.config.depth);
}

static bool checkShape(Resolver &resolver, SMRange where, const ModeDescription &mode) {
  int64_t size = resolver.config.tensorSize, depth = resolver.config.depth;
  if (mode.shape == GroupShape::One) {
    if (size > 1)
      needMode(resolver, where, "tensor size " + Twine(size));
    return size == 1;
  }
  int64_t side = dist::sideOf(mode.shape, size / depth);
  int64_t exact = depth * dist::ranksOf(mode.shape, side), next = depth * dist::ranksOf(mode.shape, side + 1);
  if (exact == size)
    return true;
  std::string rule = (mode.takesDepth ? "depth (" + std::to_string(depth) + ") times " : "") + nameOf(mode.shape).str();
  std::string legal = side > 0 ? (Twine(exact) + " or " + Twine(next)).str() : Twine(next).str();
  resolver.error(where, "tensor size " + Twine(size) + " does not fit mode '" + mode.name + "': the size must be " +
                            rule + "; the nearest legal sizes are " + legal);
  return false;
}

static bool readSequenceParallel(Resolver &resolver, const Dict &tensor, const ModeDescription &mode) {
  Sourced<bool> &result = resolver.config.sequenceParallel;
  const Entry *entry = tensor.find("sequence_parallel");
  if (!entry || !readBool(resolver, entry->item, "parallel.tensor.sequence_parallel", result) || !result ||
      mode.takesSequenceParallel)
    return true;
  resolver.error(entry->keyRange, "sequence_parallel belongs to mode " +
                                      modesWith(&ModeDescription::takesSequenceParallel) + " only; the mode is " +
                                      quoteMode(mode.name));
  return false;
}

static void resolveTensorDict(Resolver &resolver, const Item &item) {
  ParallelConfig &config = resolver.config;
  bool unknown;
  const Dict *tensor = readDict(resolver, item, "parallel.tensor", {"size", "mode", "depth", "sequence_parallel"},
                                "tensor=dict(size=4, " + exampleMode() + ")", unknown);
  if (!tensor)
    return;
  const Entry *size = tensor->find("size");
  if (!size && !unknown)
    resolver.error(item.range, "parallel.tensor has no size; write tensor=dict(size=4, " + exampleMode() + ")");
  const Entry *modeEntry = tensor->find("mode");
  Sourced<TensorMode> mode{"none"};
  bool sizeOk = size && readCount(resolver, size->item, "parallel.tensor.size", 1, config.tensorSize);
  bool modeOk = !modeEntry || readMode(resolver, modeEntry->item, mode);
  // With a key misspelt, what seems missing may be there.
  if (!modeOk || unknown)
    return;
  const ModeDescription &description = *dist::findMode(mode.value);
  bool depthOk = checkDepth(resolver, *tensor, item.range, description);
  bool shapeOk = sizeOk && depthOk && checkShape(resolver, size->item.range, description);
  if (readSequenceParallel(resolver, *tensor, description) && shapeOk)
    config.tensorMode = mode;
}

static void resolveTensor(Resolver &resolver, const Item &item) {
  if (!item.value.toInteger() && !item.value.toFloat())
    return resolveTensorDict(resolver, item);
  // The original takes a plain number for `pipeline` and promises it here.
  if (!readCount(resolver, item, "parallel.tensor", 1, resolver.config.tensorSize))
    return;
  if (resolver.config.tensorSize > 1)
    needMode(resolver, item.range, "tensor=" + Twine(resolver.config.tensorSize.value));
}

//===----------------------------------------------------------------------===//
// Pipeline, sequence, data
//===----------------------------------------------------------------------===//

/// A name, or the user's own schedule in a file.
static void readSchedule(Resolver &resolver, const Item &item) {
  Sourced<std::string> &result = resolver.config.pipelineSchedule;
  const std::string *text = item.value.asString();
  if (text && ParallelConfig::isScheduleFile(*text))
    result = {*text, item.range.Start};
  else
    readName(resolver, item, "parallel.pipeline.schedule", scheduleNames, result,
             " or a file of actions, such as 'mine.csv'");
}

/// `'uniform'`, `'balanced'`, or how many layers each virtual stage has.
static void readPartition(Resolver &resolver, const Item &item) {
  Sourced<std::string> &result = resolver.config.pipelinePartition;
  const Sequence *list = item.value.asSequence();
  if (!list) {
    if (item.value.asString())
      readName(resolver, item, "parallel.pipeline.partition", partitionNames, result);
    else if (!item.value.isPoison())
      resolver.error(item.range, describe("parallel.pipeline.partition", item.value) +
                                     "; it must be 'uniform', 'balanced' or a list of layers, such as [3, 4, 5]");
    return;
  }
  if (list->items.empty())
    resolver.error(item.range, "parallel.pipeline.partition is empty; it must be 'uniform', 'balanced' or a list of "
                               "layers, such as [3, 4, 5]");
  std::string text;
  for (size_t i = 0; i < list->items.size(); ++i) {
    Sourced<int64_t> count;
    if (!readCount(resolver, list->items[i], "parallel.pipeline.partition[" + std::to_string(i) + "]", 1, count))
      return;
    text += (text.empty() ? "" : ",") + std::to_string(count.value);
  }
  result = {text, item.range.Start};
}

static void resolvePipelineDict(Resolver &resolver, const Item &item) {
  ParallelConfig &config = resolver.config;
  bool unknown;
  const Dict *pipeline = readDict(resolver, item, "parallel.pipeline", {"size", "schedule", "chunks", "partition"},
                                  "pipeline=dict(size=2), or an int", unknown);
  if (!pipeline)
    return;
  if (const Entry *size = pipeline->find("size"))
    readCount(resolver, size->item, "parallel.pipeline.size", 1, config.pipeline);
  else if (!unknown)
    resolver.error(item.range, "parallel.pipeline has no size; write pipeline=2 or pipeline=dict(size=2)");
  if (const Entry *schedule = pipeline->find("schedule"))
    readSchedule(resolver, schedule->item);
  if (const Entry *chunks = pipeline->find("chunks"))
    readCount(resolver, chunks->item, "parallel.pipeline.chunks", 1, config.pipelineChunks);
  if (const Entry *partition = pipeline->find("partition"))
    readPartition(resolver, partition->item);
}

static void resolvePipeline(Resolver &resolver, const Item &item) {
  bool ok = true;
  if (item.value.toInteger() || item.value.toFloat())
    ok = readCount(resolver, item, "parallel.pipeline", 1, resolver.config.pipeline);
  else
    resolvePipelineDict(resolver, item);
  if (ok && resolver.config.pipeline > 1)
    resolver.require("pipeline", item.range, "a pipeline of more than one stage", "write pipeline=1");
  constexpr int64_t maxStages = 64;
  if (resolver.config.pipeline > maxStages)
    resolver.error(item.range, "a pipeline of " + Twine(resolver.config.pipeline.value) +
                                   " stages; it may have at most " + Twine(maxStages));
}

/// `key=N` or `key=dict(size=N)`, the latter with a mode if there are `modes`.
static bool resolveSize(Resolver &resolver, const Item &item, StringRef key, Sourced<int64_t> &result,
                        ArrayRef<StringRef> modes = {}, Sourced<std::string> *mode = nullptr) {
  std::string path = ("parallel." + key).str();
  if (item.value.toInteger() || item.value.toFloat())
    return readCount(resolver, item, path, 1, result);
  bool unknown;
  SmallVector<StringRef> legal{"size"};
  if (mode)
    legal.push_back("mode");
  const Dict *dict = readDict(resolver, item, path, legal, (key + "=dict(size=2), or an int").str(), unknown);
  if (!dict)
    return false;
  const Entry *name = mode ? dict->find("mode") : nullptr;
  if (name && !readName(resolver, name->item, path + ".mode", modes, *mode))
    return false;
  if (const Entry *size = dict->find("size"))
    return readCount(resolver, size->item, path + ".size", 1, result);
  if (!unknown)
    resolver.error(item.range, Twine(path) + " has no size; write " + key + "=dict(size=2)");
  return false;
}

static void resolveSequence(Resolver &resolver, const Entry &entry) {
  ParallelConfig &config = resolver.config;
  if (!resolveSize(resolver, entry.item, "sequence", config.sequenceSize, dist::sequenceModeNames(),
                   &config.sequenceMode) ||
      config.sequenceSize == 1 || dist::findMode(config.tensorMode.value)->takesSequenceMode)
    return;
  StringRef alone = dist::findSequenceMode(config.sequenceMode.value)->name;
  resolver.error(entry.keyRange, "'sequence' goes with tensor mode " + modesWith(&ModeDescription::takesSequenceMode) +
                                     " only; the mode is " + quoteMode(config.tensorMode.value) +
                                     "; for sequence parallelism alone write tensor=dict(size=" +
                                     Twine(config.sequenceSize.value) + ", mode='" + alone + "')");
}

//===----------------------------------------------------------------------===//
// The world
//===----------------------------------------------------------------------===//

/// The factors of a replica with the name that users know, larger than 1 only.
static std::string describeFactors(const ParallelConfig &config) {
  std::string text;
  auto add = [&](StringRef name, int64_t size) {
    if (size > 1 || name == "tensor")
      text += (text.empty() ? "" : " x ") + name.str() + " (" + std::to_string(size) + ")";
  };
  add("pipeline", config.pipeline);
  add("tensor", config.tensorSize);
  add("sequence", config.sequenceSize);
  return text;
}

/// The data-parallel size is whatever the world leaves; `data=` must agree.
static void checkWorld(Resolver &resolver, SMRange where, int64_t worldSize) {
  ParallelConfig &config = resolver.config;
  int64_t replica = 1, total = 1;
  for (int64_t size : {config.pipeline.value, config.tensorSize.value, config.sequenceSize.value})
    if (__builtin_mul_overflow(replica, size, &replica))
      replica = INT64_MAX;
  bool overflows = __builtin_mul_overflow(replica, std::max<int64_t>(config.data, 1), &total);
  if (overflows || total > dist::kMostRanks) {
    resolver.error(where, "this config asks for more than " + Twine(dist::kMostRanks) + " ranks");
    return;
  }
  if (worldSize <= 0)
    return;
  SMRange size = config.tensorSize.loc.isValid() ? SMRange(config.tensorSize.loc, config.tensorSize.loc) : where;
  if (worldSize % replica) {
    resolver.error(size, "a world of " + Twine(worldSize) + " ranks is not a multiple of " + describeFactors(config) +
                             (replica == config.tensorSize ? "" : (" = " + Twine(replica)).str()));
    return;
  }
  if (config.data.value && total != worldSize)
    resolver.error(SMRange(config.data.loc, config.data.loc),
                   "data (" + Twine(config.data.value) + ") x " + describeFactors(config) + " = " + Twine(total) +
                       " contradicts the world of " + Twine(worldSize) + " ranks; data must be " +
                       Twine(worldSize / replica) + ", or left out");
}

void resolveParallel(Resolver &resolver, int64_t worldSize) {
  ParallelConfig &config = resolver.config;
  config.worldSize.value = worldSize;
  const Item *item = resolver.find("parallel");
  SMRange where = item ? item->range : SMRange();
  unsigned errorsBefore = resolver.diagnostics.numErrors();
  // As in the original, None is a file without the key.
  if (!item || item->value.isNone())
    return;
  bool unknown;
  const Dict *parallel = readDict(resolver, *item, "parallel", {"data", "pipeline", "tensor", "sequence"},
                                  "parallel = dict(tensor=dict(size=4, " + exampleMode() + "))", unknown);
  if (!parallel)
    return;
  if (const Entry *entry = parallel->find("pipeline"))
    resolvePipeline(resolver, entry->item);
  if (const Entry *entry = parallel->find("tensor"))
    resolveTensor(resolver, entry->item);
  bool tensorOk = resolver.diagnostics.numErrors() == errorsBefore;
  if (const Entry *entry = parallel->find("sequence"); entry && tensorOk)
    resolveSequence(resolver, *entry);
  if (const Entry *entry = parallel->find("data"))
    resolveSize(resolver, entry->item, "data", config.data);
  if (resolver.diagnostics.numErrors() == errorsBefore)
    checkWorld(resolver, where, worldSize);
}

} // namespace colo::config
