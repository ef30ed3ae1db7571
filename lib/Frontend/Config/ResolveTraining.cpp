//===- ResolveTraining.cpp - batches, optimizer, schedule, model ----------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The top-level keys other than `parallel`. Defaults of an optimizer are those
// of torch.optim for its type.
//
//===----------------------------------------------------------------------===//

#include "Keys.h"
#include "colo/Schedule/Generators.h"
#include "llvm/Support/GlobPattern.h"

using namespace llvm;

namespace colo::config {

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

/// With a known number of replicas, the global batch is cut into whole
/// micro-batches of each, and for a pipeline into whole runs of its schedule.
static void checkGlobalBatch(Resolver &resolver) {
  const ParallelConfig &config = resolver.config;
  int64_t ranks = config.pipeline * config.tensorSize * config.sequenceSize;
  int64_t replicas = config.worldSize.value ? config.worldSize.value / ranks : config.data.value;
  bool isPipeline = config.pipeline > 1;
  int64_t unit = isPipeline ? config.batchSize.value : config.microBatch(), rows;
  if (__builtin_mul_overflow(std::max<int64_t>(replicas, 1), unit, &rows) || config.globalBatchSize.value % rows == 0)
    return;
  std::string of = replicas ? (" on " + Twine(replicas) + " data-parallel replicas").str() : std::string();
  resolver.error(SMRange(config.globalBatchSize.loc, config.globalBatchSize.loc),
                 "GLOBAL_BATCH_SIZE " + Twine(config.globalBatchSize.value) + " is not a multiple of " + Twine(rows) +
                     (isPipeline ? ", the BATCH_SIZE of " : ", the micro-batch of ") + Twine(unit) + " rows" + of);
}

static void resolveBatches(Resolver &resolver) {
  ParallelConfig &config = resolver.config;
  bool ok = true;
  auto count = [&](StringRef key, Sourced<int64_t> &result) {
    if (const Item *item = resolver.find(key); item && !item->value.isNone())
      ok &= readCount(resolver, *item, key, 1, result);
  };
  count("BATCH_SIZE", config.batchSize);
  count("NUM_MICRO_BATCHES", config.numMicroBatches);
  count("GLOBAL_BATCH_SIZE", config.globalBatchSize);
  count("gradient_accumulation", config.gradientAccumulation);
  if (!ok)
    return;
  if (config.batchSize % config.numMicroBatches) {
    std::string legal;
    for (int64_t divisor = 1, listed = 0; divisor <= config.batchSize && listed < 16; ++divisor)
      if (config.batchSize % divisor == 0)
        legal += (listed++ ? ", " : "; legal: ") + std::to_string(divisor);
    bool given = !config.numMicroBatches.isDefault();
    resolver.error(SMRange(config.numMicroBatches.loc, config.numMicroBatches.loc),
                   "NUM_MICRO_BATCHES " + Twine(config.numMicroBatches.value) + " does not divide BATCH_SIZE " +
                       Twine(config.batchSize.value) + (config.batchSize.isDefault() ? " (the default)" : "") + legal,
                   given && !config.batchSize.isDefault()
                       ? ArrayRef<DiagnosticNote>(DiagnosticNote{config.batchSize.loc, "BATCH_SIZE is given here"})
                       : ArrayRef<DiagnosticNote>());
    return;
  }
  if (config.globalBatchSize.value)
    checkGlobalBatch(resolver);
}

/// What a named schedule says of sizes.
static std::optional<schedule::Diagnostic> checkSchedule(StringRef name, int64_t stages, int64_t chunks,
                                                         int64_t microBatches) {
  const schedule::Generator *generator = schedule::findGenerator(name);
  if (!generator)
    return std::nullopt;
  schedule::ScheduleProblem problem;
  problem.stages = stages, problem.chunks = chunks, problem.microBatches = microBatches;
  problem.placement = generator->placement;
  std::optional<schedule::Diagnostic> wrong = generator->check(problem);
  return wrong ? wrong : problem.check();
}

/// A pipeline needs micro-batches, and a schedule that its sizes allow.
static void checkPipeline(Resolver &resolver) {
  ParallelConfig &config = resolver.config;
  SMRange pipeline(config.pipeline.loc, config.pipeline.loc);
  if (config.pipelineChunks > 1 && config.pipelineSchedule.isDefault())
    config.pipelineSchedule = {"interleaved", config.pipelineChunks.loc};
  const std::string &name = config.pipelineSchedule.value;
  bool hasChunks = name == "interleaved" || name == "zbv" || config.hasScheduleFile();
  if (config.pipelineChunks > 1 && !hasChunks)
    resolver.error(SMRange(config.pipelineChunks.loc, config.pipelineChunks.loc),
                   "chunks belong to the schedules 'interleaved' and 'zbv' only; the schedule is '" + name + "'");
  if (!resolver.supported.feature("pipeline"))
    return;
  if (config.pipeline == 1) {
    // One stage runs without a schedule, but chunks that no size allows are wrong here too.
    SMLoc where = config.pipelineChunks.loc;
    if (std::optional<schedule::Diagnostic> wrong = checkSchedule(name, 1, config.pipelineChunks, 1);
        wrong && where.isValid() && hasChunks)
      resolver.error(SMRange(where, where), wrong->message);
    return;
  }
  if (name == "zbv" && config.pipelineChunks.isDefault())
    config.pipelineChunks.value = 2;
  if (!resolver.scope.count("NUM_MICRO_BATCHES")) {
    resolver.error(pipeline, "a pipeline of " + Twine(config.pipeline.value) +
                                 " stages needs NUM_MICRO_BATCHES, the number of micro-batches in BATCH_SIZE");
    return;
  }
  std::optional<schedule::Diagnostic> wrong =
      checkSchedule(name, config.pipeline, config.pipelineChunks, config.numMicroBatches);
  if (!wrong || resolver.diagnostics.numErrors() != 0)
    return;
  // The number at fault is the one that another value of would do.
  SMLoc where = config.pipelineSchedule.isDefault() ? config.pipeline.loc : config.pipelineSchedule.loc;
  if (!checkSchedule(name, config.pipeline, config.pipelineChunks, config.pipeline))
    where = config.numMicroBatches.loc;
  for (int64_t chunks : {1, 2})
    if (config.pipelineChunks.loc.isValid() && !checkSchedule(name, config.pipeline, chunks, config.numMicroBatches))
      where = config.pipelineChunks.loc;
  resolver.error(SMRange(where, where), wrong->message);
}

//===----------------------------------------------------------------------===//
// Optimizer
//===----------------------------------------------------------------------===//

static const StringRef optimizerNames[] = {"SGD", "Adam", "AdamW"};

static void readBetas(Resolver &resolver, const Item &item, OptimizerConfig &optimizer) {
  const Sequence *betas = item.value.asSequence();
  if (!betas || betas->items.size() != 2) {
    resolver.error(item.range,
                   describe("optimizer.betas", item.value) + "; it must be two numbers, such as (0.9, 0.999)");
    return;
  }
  readRate(resolver, betas->items[0], "optimizer.betas[0]", optimizer.beta1);
  readRate(resolver, betas->items[1], "optimizer.betas[1]", optimizer.beta2);
}

static void readDecayExempt(Resolver &resolver, const Item &item, OptimizerConfig &optimizer) {
  const Sequence *patterns = item.value.asSequence();
  bool ok = patterns;
  optimizer.decayExemptLoc = item.range.Start;
  for (size_t i = 0; ok && i < patterns->items.size(); ++i) {
    const std::string *pattern = patterns->items[i].value.asString();
    ok = pattern || patterns->items[i].value.isPoison();
    if (!pattern)
      continue;
    if (Expected<GlobPattern> glob = GlobPattern::create(*pattern); !glob)
      resolver.error(patterns->items[i].range,
                     describe(("optimizer.decay_exempt[" + Twine(i) + "]").str(), patterns->items[i].value) +
                         ", which is no pattern: " + toString(glob.takeError()));
    optimizer.decayExempt.push_back({*pattern, patterns->items[i].range.Start});
  }
  if (!ok)
    resolver.error(item.range, describe("optimizer.decay_exempt", item.value) +
                                   "; it must be a list of patterns of parameter names, such as ['*bias', '*ln_*']");
}

/// `where` is invalid if a missing key may be one that was misspelt.
static void resolveSGD(Resolver &resolver, const Dict &dict, SMRange where) {
  OptimizerConfig &optimizer = resolver.config.optimizer;
  if (!dict.find("lr") && where.isValid())
    resolver.error(where, "the optimizer SGD has no default learning rate; write lr=0.1 or the like");
  if (const Item *item = findKey(dict, "momentum"))
    readReal(resolver, *item, "optimizer.momentum", optimizer.momentum);
  if (const Item *item = findKey(dict, "dampening"))
    readReal(resolver, *item, "optimizer.dampening", optimizer.dampening);
  if (const Item *item = findKey(dict, "nesterov"))
    readBool(resolver, *item, "optimizer.nesterov", optimizer.nesterov);
  if (optimizer.nesterov && (optimizer.momentum.value == 0 || optimizer.dampening.value != 0))
    resolver.error(SMRange(optimizer.nesterov.loc, optimizer.nesterov.loc),
                   "nesterov needs a momentum above 0 and no dampening");
}

static void resolveOptimizer(Resolver &resolver, const Item &item) {
  OptimizerConfig &optimizer = resolver.config.optimizer;
  const Dict *untyped = item.value.asDict();
  const Entry *type = untyped ? untyped->find("type") : nullptr;
  if (type && !readName(resolver, type->item, "optimizer.type", optimizerNames, optimizer.type))
    return;
  bool sgd = optimizer.type.value == "SGD";
  std::vector<StringRef> legal = {"type", "lr", "weight_decay", "decay_exempt"};
  std::vector<StringRef> own =
      sgd ? std::vector<StringRef>{"momentum", "dampening", "nesterov"} : std::vector<StringRef>{"betas", "eps"};
  legal.insert(legal.end(), own.begin(), own.end());
  std::string path = type ? "optimizer (" + optimizer.type.value + ")" : "optimizer";
  bool unknown;
  const Dict *dict = readDict(resolver, item, path, legal, "optimizer = dict(type='AdamW', lr=1e-3)", unknown);
  if (!dict)
    return;
  // torch.optim: only AdamW decays weights unless told to.
  if (optimizer.type.value != "AdamW")
    optimizer.weightDecay.value = 0;
  if (const Item *lr = findKey(*dict, "lr"))
    readReal(resolver, *lr, "optimizer.lr", optimizer.lr);
  if (const Item *decay = findKey(*dict, "weight_decay"))
    readReal(resolver, *decay, "optimizer.weight_decay", optimizer.weightDecay);
  if (const Item *exempt = findKey(*dict, "decay_exempt"))
    readDecayExempt(resolver, *exempt, optimizer);
  if (sgd)
    return resolveSGD(resolver, *dict, unknown ? SMRange() : item.range);
  if (const Item *betas = findKey(*dict, "betas"))
    readBetas(resolver, *betas, optimizer);
  if (const Item *eps = findKey(*dict, "eps"))
    readReal(resolver, *eps, "optimizer.eps", optimizer.eps);
}

static void resolveSchedule(Resolver &resolver, const Item &item) {
  static const StringRef types[] = {"constant", "linear", "cosine"};
  ScheduleConfig &schedule = resolver.config.schedule;
  bool unknown;
  const Dict *dict = readDict(resolver, item, "lr_scheduler", {"type", "warmup_steps", "total_steps", "min_lr"},
                              "lr_scheduler = dict(type='cosine', warmup_steps=100, total_steps=1000)", unknown);
  if (!dict)
    return;
  if (const Entry *type = dict->find("type"))
    readName(resolver, type->item, "lr_scheduler.type", types, schedule.type);
  else if (!unknown)
    resolver.error(item.range, "lr_scheduler has no type; it must be " + joinNames(types, "or", /*quote=*/true));
  if (const Item *warmup = findKey(*dict, "warmup_steps"))
    readCount(resolver, *warmup, "lr_scheduler.warmup_steps", 0, schedule.warmupSteps);
  if (const Item *total = findKey(*dict, "total_steps"))
    readCount(resolver, *total, "lr_scheduler.total_steps", 1, schedule.totalSteps);
  if (const Item *minimum = findKey(*dict, "min_lr"))
    readReal(resolver, *minimum, "lr_scheduler.min_lr", schedule.minLr);
  if (schedule.totalSteps.value && schedule.warmupSteps > schedule.totalSteps)
    resolver.error(SMRange(schedule.warmupSteps.loc, schedule.warmupSteps.loc),
                   "warmup_steps " + Twine(schedule.warmupSteps.value) + " is more than total_steps " +
                       Twine(schedule.totalSteps.value));
  if (schedule.minLr > resolver.config.optimizer.lr)
    resolver.error(SMRange(schedule.minLr.loc, schedule.minLr.loc),
                   describe("lr_scheduler.min_lr", Value(schedule.minLr.value)) +
                       "; it must be at most optimizer.lr, " + repr(Value(resolver.config.optimizer.lr.value), 60));
}

//===----------------------------------------------------------------------===//
// Model, handlers, the rest
//===----------------------------------------------------------------------===//

/// Chunks have two names.
static void readChunks(Resolver &resolver, const Item &item) {
  Sourced<int64_t> &known = resolver.config.pipelineChunks, chunks = known;
  if (!readCount(resolver, item, "model.num_chunks", 1, chunks))
    return;
  if (!known.isDefault() && known.value != chunks.value)
    resolver.error(item.range,
                   "model.num_chunks is " + Twine(chunks.value) + ", but parallel.pipeline.chunks is " +
                       Twine(known.value) + "; they are the same number, and one of them is enough",
                   DiagnosticNote{known.loc, "parallel.pipeline.chunks is given here"});
  known = chunks;
}

static void resolveModel(Resolver &resolver, const Item &item) {
  bool unknown;
  const Dict *dict = readDict(resolver, item, "model", {}, "model = dict(hidden=768, layers=12)", unknown);
  if (!dict)
    return;
  for (const Entry &entry : dict->entries) {
    const std::string *name = entry.key.asString();
    const Value &value = entry.item.value;
    if (!name || value.isPoison())
      continue;
    auto set = [&](const auto &held) {
      resolver.config.model[*name] = {{ModelValue(held), entry.item.range.Start}, entry.keyRange.Start};
    };
    if (*name == "num_chunks")
      readChunks(resolver, entry.item);
    else if (*name == "type" && value.asSymbol())
      resolver.diagnostics.warning(entry.keyRange.Start, "model.type is ignored: the model is the .colo file's");
    else if (const bool *boolean = value.asBool())
      set(*boolean);
    else if (const int64_t *integer = value.asInt())
      set(*integer);
    else if (const double *real = value.asFloat())
      set(*real);
    else if (const std::string *string = value.asString())
      set(*string);
    else
      resolver.error(entry.item.range,
                     describe("model." + *name, value) + "; it must be an int, a float, a bool or a str");
  }
}

/// The original reduces gradients by handlers that the user lists. Here every
/// reduction follows from the shardings, so the list is checked and has no
/// further effect.
static void checkHandlers(Resolver &resolver, const Item &item) {
  static const StringRef handlers[] = {"DataParallelGradientHandler", "ZeROGradientHandler",
                                       "PipelineSharedModuleGradientHandler", "SequenceParallelGradientHandler",
                                       "MoeGradientHandler"};
  const Sequence *list = item.value.asSequence();
  if (!list || list->tuple) {
    resolver.error(item.range, describe("gradient_handler", item.value) +
                                   "; it must be a list, such as [dict(type='DataParallelGradientHandler')]");
    return;
  }
  for (const Item &handler : list->items) {
    const Dict *dict = handler.value.asDict();
    Sourced<std::string> type;
    if (handler.value.isPoison())
      continue;
    if (!dict)
      resolver.error(handler.range, describe("gradient_handler", handler.value) +
                                        "; its elements must be dicts, such as "
                                        "dict(type='DataParallelGradientHandler')");
    else if (!dict->find("type"))
      resolver.error(handler.range, "this gradient_handler has no type; it must be " + joinNames(handlers, "or", true));
    else
      readName(resolver, dict->find("type")->item, "gradient_handler.type", handlers, type);
  }
}

static void resolveSeed(Resolver &resolver) {
  const Item *lower = resolver.find("seed"), *upper = resolver.find("SEED");
  Sourced<int64_t> &seed = resolver.config.seed;
  if (lower)
    readCount(resolver, *lower, "seed", 0, seed);
  Sourced<int64_t> other = seed;
  if (upper && readCount(resolver, *upper, "SEED", 0, other)) {
    if (lower && other.value != seed.value)
      resolver.error(upper->range, "SEED " + Twine(other.value) + " contradicts seed " + Twine(seed.value),
                     DiagnosticNote{lower->range.Start, "seed is given here"});
    seed = other;
  }
}

/// Keys whose feature may not exist yet; off is None, False or an empty dict.
static void checkFeatures(Resolver &resolver) {
  static const std::pair<StringRef, StringRef> features[] = {
      {"zero", "zero"}, {"torch_ddp", "torch_ddp"}, {"max_ep_size", "experts"}};
  for (auto [key, feature] : features) {
    const Item *item = resolver.find(key);
    if (!item || !item->value.truth())
      continue;
    resolver.require(feature, item->range, "'" + key + "'", "leave it out, or write " + key + " = None");
  }
}

void resolveTraining(Resolver &resolver) {
  resolveBatches(resolver);
  if (const Item *item = resolver.find("clip_grad_norm"); item && !item->value.isNone())
    readReal(resolver, *item, "clip_grad_norm", resolver.config.clipGradNorm);
  resolveSeed(resolver);
  if (const Item *item = resolver.find("optimizer"))
    resolveOptimizer(resolver, *item);
  if (const Item *item = resolver.find("lr_scheduler"))
    resolveSchedule(resolver, *item);
  if (const Item *item = resolver.find("model"))
    resolveModel(resolver, *item);
  if (const Item *item = resolver.find("gradient_handler"); item && !item->value.isNone())
    checkHandlers(resolver, *item);
  checkPipeline(resolver);
  checkFeatures(resolver);
}

} // namespace colo::config
