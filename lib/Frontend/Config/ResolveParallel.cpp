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
#include <cmath>

using namespace llvm;

namespace colo::config {

/// The most ranks a config may ask for.
static constexpr int64_t maxWorldSize = int64_t(1) << 20;

static const StringRef modeNames[] = {"1d", "2d", "2.5d", "3d", "sequence", "ulysses"};
static const StringRef sequenceModeNames[] = {"ring", "ulysses"};
static const StringRef scheduleNames[] = {"gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zbv"};
static const StringRef partitionNames[] = {"uniform", "balanced"};

//===----------------------------------------------------------------------===//
// Tensor
//===----------------------------------------------------------------------===//

/// False after a diagnostic. None and a missing mode are "none".
static bool readMode(Resolver &resolver, const Item &item, Sourced<TensorMode> &result) {
  if (item.value.isPoison())
    return false;
  const std::string *name = item.value.asString();
  if (item.value.isNone() || (name && is_contained(modeNames, StringRef(*name)))) {
    result = {name ? *name : "none", item.range.Start};
    return true;
  }
  std::string hint;
  if (name && (*name == "none" || *name == "None" || name->empty()))
    hint = " (write None without quotes for no mode)";
  else if (name)
    hint = didYouMean(*name, modeNames);
  resolver.error(item.range, describe("parallel.tensor.mode", item.value) + "; it must be None, " +
                                 joinNames(modeNames, "or", /*quote=*/true) + hint);
  return false;
}

static std::string quoteMode(StringRef mode) { return mode == "none" ? "None" : "'" + mode.str() + "'"; }

/// The largest integer whose `power`-th power is at most `value`.
static int64_t integerRoot(int64_t value, int power) {
  int64_t root = std::llround(std::pow(double(value), 1.0 / power));
  auto raised = [&](int64_t base) { return power == 2 ? base * base : base * base * base; };
  while (root > 0 && raised(root) > value)
    --root;
  return root;
}

/// Checks that `size` is depth·q² or l³; `power` is 2 or 3.
static bool checkShape(Resolver &resolver, SMRange where, int64_t size, int64_t depth, int power, StringRef mode,
                       StringRef rule) {
  int64_t planes = size / depth;
  int64_t root = integerRoot(planes, power);
  int64_t exact = depth * root * root * (power == 3 ? root : 1);
  if (exact == size)
    return true;
  int64_t next = depth * (root + 1) * (root + 1) * (power == 3 ? root + 1 : 1);
  std::string legal = root > 0 ? (Twine(exact) + " or " + Twine(next)).str() : Twine(next).str();
  resolver.error(where, "tensor size " + Twine(size) + " does not fit mode '" + mode + "': the size must be " + rule +
                            "; the nearest legal sizes are " + legal);
  return false;
}

/// 2.5d wants a depth, and nothing else does.
static bool checkDepth(Resolver &resolver, const Dict &tensor, SMRange where, StringRef mode) {
  const Entry *depth = tensor.find("depth");
  if (mode != "2.5d") {
    if (depth)
      resolver.error(depth->keyRange, "'depth' belongs to mode '2.5d' only; the mode is " + quoteMode(mode));
    return !depth;
  }
  if (!depth) {
    resolver.error(where, "mode '2.5d' needs a depth: write depth=d, where the size is d times a square");
    return false;
  }
  return readCount(resolver, depth->item, "parallel.tensor.depth", 1, resolver.config.depth);
}

static bool checkTensorShape(Resolver &resolver, SMRange size, StringRef mode) {
  ParallelConfig &config = resolver.config;
  if (mode == "none" && config.tensorSize > 1) {
    resolver.error(size, "tensor size " + Twine(config.tensorSize.value) +
                             " needs a mode: write tensor=dict(size=" + Twine(config.tensorSize.value) +
                             ", mode='1d'), or another of " + joinNames(modeNames, "and", /*quote=*/true));
    return false;
  }
  if (mode == "2d")
    return checkShape(resolver, size, config.tensorSize, 1, 2, mode, "a square");
  if (mode == "3d")
    return checkShape(resolver, size, config.tensorSize, 1, 3, mode, "a cube");
  if (mode == "2.5d")
    return checkShape(resolver, size, config.tensorSize, config.depth, 2, mode,
                      ("depth (" + Twine(config.depth.value) + ") times a square").str());
  return true;
}

/// sequence_parallel=True goes with 1d only.
static bool readSequenceParallel(Resolver &resolver, const Dict &tensor, StringRef mode) {
  Sourced<bool> &result = resolver.config.sequenceParallel;
  const Entry *entry = tensor.find("sequence_parallel");
  if (!entry || !readBool(resolver, entry->item, "parallel.tensor.sequence_parallel", result) || !result ||
      mode == "1d")
    return true;
  resolver.error(entry->keyRange, "sequence_parallel belongs to mode '1d' only; the mode is " + quoteMode(mode));
  return false;
}

static void resolveTensorDict(Resolver &resolver, const Item &item) {
  ParallelConfig &config = resolver.config;
  bool unknown;
  const Dict *tensor = readDict(resolver, item, "parallel.tensor", {"size", "mode", "depth", "sequence_parallel"},
                                "tensor=dict(size=4, mode='1d')", unknown);
  if (!tensor)
    return;
  const Entry *size = tensor->find("size");
  if (!size && !unknown)
    resolver.error(item.range, "parallel.tensor has no size; write tensor=dict(size=4, mode='1d')");
  const Entry *modeEntry = tensor->find("mode");
  Sourced<TensorMode> mode{"none"};
  bool sizeOk = size && readCount(resolver, size->item, "parallel.tensor.size", 1, config.tensorSize);
  bool modeOk = !modeEntry || readMode(resolver, modeEntry->item, mode);
  // With a key misspelt, what seems missing may be there.
  if (!modeOk || unknown)
    return;
  bool depthOk = checkDepth(resolver, *tensor, item.range, mode.value);
  bool shapeOk = sizeOk && depthOk && checkTensorShape(resolver, size->item.range, mode.value);
  if (!readSequenceParallel(resolver, *tensor, mode.value) || !shapeOk)
    return;
  config.tensorMode = mode;
  if (!resolver.supported.tensorMode(mode.value))
    resolver.error(modeEntry->item.range, "tensor mode '" + mode.value + "' is not supported yet");
}

static void resolveTensor(Resolver &resolver, const Item &item) {
  if (!item.value.toInteger() && !item.value.toFloat())
    return resolveTensorDict(resolver, item);
  // The original takes a plain number for `pipeline` and promises it here.
  if (!readCount(resolver, item, "parallel.tensor", 1, resolver.config.tensorSize))
    return;
  if (resolver.config.tensorSize > 1)
    resolver.error(item.range, "tensor=" + Twine(resolver.config.tensorSize.value) +
                                   " needs a mode: write tensor=dict(size=" + Twine(resolver.config.tensorSize.value) +
                                   ", mode='1d'), or another of " + joinNames(modeNames, "and", /*quote=*/true));
}

//===----------------------------------------------------------------------===//
// Pipeline, sequence, data
//===----------------------------------------------------------------------===//

/// A name, or the user's own schedule in a file.
static void readSchedule(Resolver &resolver, const Item &item) {
  Sourced<std::string> &result = resolver.config.pipelineSchedule;
  const std::string *text = item.value.asString();
  if (text && StringRef(*text).ends_with(".csv"))
    result = {*text, item.range.Start};
  else
    readName(resolver, item, "parallel.pipeline.schedule", scheduleNames, result);
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
    resolver.require("pipeline", item.range, "a pipeline of more than one stage");
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
  if (!resolveSize(resolver, entry.item, "sequence", config.sequenceSize, sequenceModeNames, &config.sequenceMode) ||
      config.sequenceSize == 1 || config.tensorMode.value == "1d")
    return;
  std::string alone = config.sequenceMode.value == "ring" ? "sequence" : config.sequenceMode.value;
  resolver.error(entry.keyRange,
                 "'sequence' goes with tensor mode '1d' only; the mode is " + quoteMode(config.tensorMode.value) +
                     "; for sequence parallelism alone write tensor=dict(size=" + Twine(config.sequenceSize.value) +
                     ", mode='" + alone + "')");
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
  if (overflows || total > maxWorldSize) {
    resolver.error(where, "this config asks for more than " + Twine(maxWorldSize) + " ranks");
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
                                  "parallel = dict(tensor=dict(size=4, mode='1d'))", unknown);
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
