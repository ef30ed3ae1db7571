//===- DecayExempt.cpp - parameters without weight decay -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Patterns speak of names as files have them, so that "h.0.*" is a layer. The
// layers of a run are one colo.param, though, and decay or do not as one.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/GlobPattern.h"

using namespace llvm;

namespace colo::model {

namespace {

/// What patterns match of one colo.param.
struct Matches {
  ParamOp op;
  BitVector layers;                           ///< by any pattern
  const Sourced<std::string> *some = nullptr; ///< the first pattern that matches one of them
};

} // namespace

static std::string exportedName(ParamOp op, int64_t layer) {
  auto [before, after] = op.getSymName().split('#');
  return before == op.getSymName() ? before.str() : (before + Twine(layer) + after).str();
}

/// Notes what `pattern` matches; whether that is anything.
static bool match(const Sourced<std::string> &pattern, MutableArrayRef<Matches> params) {
  // The config has refused what is no pattern.
  GlobPattern glob = cantFail(GlobPattern::create(pattern.value));
  bool any = false;
  for (Matches &matches : params)
    for (unsigned layer = 0; layer < matches.layers.size(); ++layer)
      if (glob.match(exportedName(matches.op, layer))) {
        matches.layers.set(layer);
        matches.some = matches.some ? matches.some : &pattern;
        any = true;
      }
  return any;
}

/// "h.#.attn.qkv.bias, h.#.ln_1.weight and wte.weight", and what # is.
static std::string listParameters(ArrayRef<Matches> params) {
  SmallVector<StringRef> names;
  bool numbered = false;
  for (const Matches &matches : params) {
    ParamOp op = matches.op;
    names.push_back(op.getSymName());
    numbered |= names.back().contains('#');
  }
  return joinNames(names) + (numbered ? "; # is the number of a layer" : "");
}

/// "layer 0 of 0 to 11".
static std::string describeLayers(const BitVector &layers) {
  std::string numbers;
  for (unsigned layer : layers.set_bits())
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(layer);
  return (Twine(layers.count() == 1 ? "layer " : "layers ") + numbers + " of 0 to " + Twine(layers.size() - 1)).str();
}

void Importer::exemptFromDecay() {
  SmallVector<Matches> params;
  for (auto &[op, param] : declared)
    params.push_back({op, BitVector(op.getLayers())});
  for (const Sourced<std::string> &pattern : options.decayExempt)
    if (!match(pattern, params))
      diagnostics.error(pattern.loc, "'" + pattern.value + "' matches no parameter of the model, which has " +
                                         listParameters(params));
  SmallPtrSet<const void *, 4> reported;
  for (auto [matches, parameter] : zip(params, make_second_range(declared))) {
    if (matches.layers.any() && !matches.layers.all() && reported.insert(matches.some).second)
      diagnostics.error(matches.some->loc,
                        "'" + matches.some->value + "' matches " + matches.op.getSymName() + " in " +
                            describeLayers(matches.layers) +
                            " only; these layers are compiled once and decay alike, so match it in all or in none",
                        DiagnosticNote{userLoc(*parameter), "the parameter is made here"});
    matches.op.setDecay(!matches.layers.any());
  }
  if (diagnostics.numErrors())
    throw ImportAborted{};
}

} // namespace colo::model
