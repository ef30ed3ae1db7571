//===- Config.cpp - from a config file to a ParallelConfig ----------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry point: bytes are checked, parsed, evaluated, resolved. Also the
// tables of what the compiler can do and of the keys it knows.
//
//===----------------------------------------------------------------------===//

#include "colo/Frontend/Config.h"
#include "AST.h"
#include "Keys.h"
#include "colo/Dialect/Dist/Modes.h"

using namespace llvm;
using namespace colo::config;

namespace colo {

//===----------------------------------------------------------------------===//
// What there is. A new feature is one line here.
//===----------------------------------------------------------------------===//

/// Features of the config that the compiler lacks.
static const StringRef missingFeatures[] = {
    "apex",
    "experts",
    "torch_ddp",
    "zero",
};

/// Top-level keys that mean something.
static const StringRef knownKeys[] = {
    "BATCH_SIZE",
    "GLOBAL_BATCH_SIZE",
    "NUM_MICRO_BATCHES",
    "SEED",
    "bf16",
    "clip_grad_norm",
    "fp16",
    "gradient_accumulation",
    "gradient_handler",
    "lr_scheduler",
    "max_ep_size",
    "model",
    "optimizer",
    "parallel",
    "seed",
    "torch_ddp",
    "zero",
};

/// Keys of the original that need no action here: shapes are inferred, and the
/// others tune libraries that are not used.
static const StringRef harmlessKeys[] = {"HIDDEN_SIZE", "SEQ_LENGTH", "TENSOR_SHAPE", "cudnn_benchmark",
                                         "cudnn_deterministic"};

namespace {

/// A name that users write and that never meant anything, and what it should be.
struct Misnomer {
  StringRef name, advice;
};

} // namespace

static const Misnomer misnomers[] = {
    {"amp", "write bf16=True or fp16=dict(mode=AMP_TYPE.NAIVE)"},
    {"bfloat16", "write bf16=True"},
    {"float16", "write fp16=dict(mode=AMP_TYPE.NAIVE)"},
    {"mixed_precision", "write bf16=True or fp16=dict(mode=AMP_TYPE.NAIVE)"},
    {"NUM_CHUNKS", "write model=dict(num_chunks=...) or pipeline=dict(size=..., chunks=...)"},
    {"data", "write it inside parallel=dict(...)"},
    {"gradient_clipping", "write clip_grad_norm"},
    {"gradient_clip_norm", "write clip_grad_norm"},
    {"gradient_accumulation_steps", "write gradient_accumulation"},
    {"lr", "write optimizer=dict(type='AdamW', lr=...)"},
    {"learning_rate", "write optimizer=dict(type='AdamW', lr=...)"},
    {"num_chunks", "write model=dict(num_chunks=...) or pipeline=dict(size=..., chunks=...)"},
    {"num_microbatches", "write NUM_MICRO_BATCHES"},
    {"pipeline", "write it inside parallel=dict(...)"},
    {"sequence", "write it inside parallel=dict(...)"},
    {"tensor", "write it inside parallel=dict(...)"},
    {"weight_decay", "write optimizer=dict(type='AdamW', weight_decay=...)"},
};

/// Constants may have any name; a name that nothing reads and that looks like a
/// key is probably meant to be one.
static void warnOfMisnomers(Resolver &resolver) {
  for (const auto &entry : resolver.scope) {
    StringRef name = entry.first;
    const Binding &binding = entry.second;
    if (binding.imported || binding.read || is_contained(knownKeys, name) || is_contained(harmlessKeys, name))
      continue;
    const auto *misnomer = find_if(misnomers, [&](const Misnomer &entry) { return entry.name == name; });
    if (misnomer != std::end(misnomers)) {
      resolver.diagnostics.warning(binding.nameRange.Start, "'" + name + "' has no effect; " + misnomer->advice);
      continue;
    }
    std::optional<StringRef> near = nearestName(name, knownKeys);
    // Short names are near to everything, and a key that is there was not meant by another word (seeds beside seed);
    // only case tells batch_size from BATCH_SIZE, there or not.
    bool isSameWord = near && name.equals_insensitive(*near);
    bool given = near && any_of(resolver.scope, [&](const auto &entry) {
                   return entry.first.equals_insensitive(*near) && entry.first != name;
                 });
    if (isSameWord || (near && name.size() > 4 && !given))
      resolver.diagnostics.warning(binding.nameRange.Start,
                                   "'" + name + "' has no effect; did you mean '" + *near + "'?");
  }
}

std::optional<ParallelConfig> loadConfig(SourceMgr &sources, unsigned bufferId, int64_t worldSize,
                                         SupportedFeatures supported) {
  if (!supported.feature)
    supported.feature = [](StringRef feature) { return !is_contained(missingFeatures, feature); };
  Diagnostics diagnostics(sources);
  if (!checkSourceBytes(bufferId, diagnostics))
    return std::nullopt;
  StringRef text = sources.getMemoryBuffer(bufferId)->getBuffer();
  text.consume_front("\xEF\xBB\xBF");
  std::optional<Module> module = parseModule(text, diagnostics);
  if (!module)
    return std::nullopt;
  Scope scope = evaluate(*module, diagnostics);
  Resolver resolver{diagnostics, scope, supported};
  resolver.config.sequenceMode.value = dist::sequenceModeNames().front();
  resolveParallel(resolver, worldSize);
  resolveTraining(resolver);
  resolvePrecision(resolver);
  warnOfMisnomers(resolver);
  if (diagnostics.numErrors())
    return std::nullopt;
  return std::move(resolver.config);
}

} // namespace colo
