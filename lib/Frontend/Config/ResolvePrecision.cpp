//===- ResolvePrecision.cpp - mixed precision -----------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `bf16` is our own key. `fp16` is the original's; its modes are one here but
// for the names and defaults of the loss scale. Off is None, False, an empty
// dict or fp16=dict(mode=None).
//
//===----------------------------------------------------------------------===//

#include "Keys.h"
#include <limits>

using namespace llvm;

namespace colo::config {

namespace {

/// Names of the loss scale's settings in a mode's dict; empty where it has none.
struct AmpMode {
  StringRef name, initial, switchedBy;
  bool hasLimits; ///< hysteresis, min_scale, max_scale
  int64_t interval, hysteresis;
};

} // namespace

static const AmpMode ampModes[] = {
    {"NAIVE", "initial_scale", "dynamic_grad_scale", true, 1000, 2},
    {"TORCH", "init_scale", "enabled", false, 2000, 1},
};

static bool isOff(const Value &value) { return value.isNone() || (value.asDict() && !value.truth()); }

static void resolveBf16(Resolver &resolver, const Item &item) {
  Sourced<bool> on;
  if (isOff(item.value) || !readBool(resolver, item, "bf16", on) || !on)
    return;
  resolver.config.precision = {"bf16", item.range.Start};
}

namespace {

struct Bounds {
  double least, most;
  StringRef text;
};

} // namespace

/// From the smallest number of f16 to what an f32 holds: a gradient times less is 0, and times more infinite.
static const Bounds scaleBounds = {0x1p-24, 0x1p127, "a number from 2**-24 to 2**127"};
static const Bounds growthBounds = {1, std::numeric_limits<double>::max(), "a finite number of at least 1"};
static const Bounds backoffBounds = {std::numeric_limits<double>::min(), 1, "a number above 0 and at most 1"};

static void readNumber(Resolver &resolver, const Dict &dict, StringRef key, const Bounds &bounds,
                       Sourced<double> &result) {
  const Item *item = findKey(dict, key);
  if (!item || item->value.isPoison())
    return;
  std::optional<double> number = item->value.asBool() ? std::nullopt : item->value.toFloat();
  if (number && *number >= bounds.least && *number <= bounds.most)
    result = {*number, item->range.Start};
  else
    resolver.error(item->range, describe(("fp16." + key).str(), item->value) + "; it must be " + bounds.text);
}

static void readLimit(Resolver &resolver, const Dict &dict, StringRef key, Sourced<double> &result) {
  const Item *item = findKey(dict, key);
  if (item && !item->value.isNone())
    readNumber(resolver, dict, key, scaleBounds, result);
}

static void readLossScale(Resolver &resolver, const Dict &dict, const AmpMode &mode) {
  LossScaleConfig &scale = resolver.config.lossScale;
  scale.on.value = true;
  scale.initial.value = 65536;
  scale.interval.value = mode.interval;
  scale.hysteresis.value = mode.hysteresis;
  readNumber(resolver, dict, mode.initial, scaleBounds, scale.initial);
  readNumber(resolver, dict, "growth_factor", growthBounds, scale.growth);
  readNumber(resolver, dict, "backoff_factor", backoffBounds, scale.backoff);
  if (const Item *item = findKey(dict, "growth_interval"))
    readCount(resolver, *item, "fp16.growth_interval", 1, scale.interval);
  Sourced<bool> isSwitchedOn{true};
  if (const Item *item = findKey(dict, mode.switchedBy))
    readBool(resolver, *item, ("fp16." + mode.switchedBy).str(), isSwitchedOn);
  if (!mode.hasLimits) {
    scale.on = isSwitchedOn;
    return;
  }
  scale.dynamic = isSwitchedOn;
  if (const Item *item = findKey(dict, "hysteresis"))
    readCount(resolver, *item, "fp16.hysteresis", 1, scale.hysteresis);
  readLimit(resolver, dict, "min_scale", scale.minimum);
  readLimit(resolver, dict, "max_scale", scale.maximum);
  if (scale.maximum.value && scale.minimum > scale.maximum)
    resolver.error(SMRange(scale.minimum.loc, scale.minimum.loc),
                   describe("fp16.min_scale", Value(scale.minimum.value)) + "; it must be at most max_scale, " +
                       repr(Value(scale.maximum.value), 60));
}

static void resolveFp16(Resolver &resolver, const Item &item) {
  const Dict *untyped = item.value.asDict();
  const Entry *entry = untyped ? untyped->find("mode") : nullptr;
  const bool *isBool = item.value.asBool();
  if (isOff(item.value) || (isBool && !*isBool) ||
      (entry && untyped->entries.size() == 1 && entry->item.value.isNone()))
    return;
  constexpr StringLiteral example = "fp16 = dict(mode=AMP_TYPE.NAIVE)";
  Sourced<std::string> name;
  if (entry && nameIn(entry->item.value) == "APEX" &&
      !resolver.require("apex", entry->item.range, "fp16 mode APEX",
                        "write AMP_TYPE.NAIVE or AMP_TYPE.TORCH, which train alike"))
    return;
  if (entry && !readName(resolver, entry->item, "fp16.mode", {"NAIVE", "TORCH"}, name))
    return;
  const auto *mode = find_if(ampModes, [&](const AmpMode &known) { return known.name == name.value; });
  if (mode == std::end(ampModes))
    mode = ampModes;
  std::vector<StringRef> legal{"mode",           mode->initial,     "growth_factor",
                               "backoff_factor", "growth_interval", mode->switchedBy};
  if (mode->hasLimits)
    legal.insert(legal.end(), {"hysteresis", "min_scale", "max_scale", "verbose"});
  bool unknown;
  const Dict *dict = readDict(resolver, item, "fp16", legal, example, unknown);
  if (!dict)
    return;
  if (!entry) {
    if (!unknown)
      resolver.error(item.range, "fp16 has no mode; it must be AMP_TYPE.NAIVE or AMP_TYPE.TORCH");
    return;
  }
  resolver.config.precision = {"f16", item.range.Start};
  readLossScale(resolver, *dict, *mode);
}

void resolvePrecision(Resolver &resolver) {
  const Item *bf16 = resolver.find("bf16"), *fp16 = resolver.find("fp16");
  if (bf16)
    resolveBf16(resolver, *bf16);
  bool isBf16 = resolver.config.precision.value == "bf16";
  if (fp16)
    resolveFp16(resolver, *fp16);
  if (isBf16 && resolver.config.precision.value == "f16")
    resolver.error(fp16->range, "fp16 and bf16 are both on; activations have one type",
                   DiagnosticNote{bf16->range.Start, "bf16 is here"});
}

} // namespace colo::config
