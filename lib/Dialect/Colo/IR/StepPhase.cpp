//===- StepPhase.cpp - forward, backward or update -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A phase is the metadata of a fused location, below the names around it.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/StepPhase.h"
#include "mlir/IR/BuiltinAttributes.h"
#include <optional>

using namespace mlir;
using namespace colo;

static constexpr StepPhase kPhases[] = {StepPhase::Forward, StepPhase::Backward, StepPhase::Update};

llvm::StringRef colo::nameOf(StepPhase phase) {
  switch (phase) {
  case StepPhase::Forward:
    return "forward";
  case StepPhase::Backward:
    return "backward";
  case StepPhase::Update:
    return "update";
  }
  llvm_unreachable("no such phase");
}

static std::optional<StepPhase> markOf(FusedLoc fused) {
  if (auto name = dyn_cast_or_null<StringAttr>(fused.getMetadata()))
    for (StepPhase phase : kPhases)
      if (name.getValue() == nameOf(phase))
        return phase;
  return std::nullopt;
}

Location colo::inPhase(Location loc, StepPhase phase) {
  MLIRContext *context = loc.getContext();
  if (auto named = dyn_cast<NameLoc>(loc))
    return NameLoc::get(named.getName(), inPhase(named.getChildLoc(), phase));
  llvm::ArrayRef<Location> places = loc;
  if (auto fused = dyn_cast<FusedLoc>(loc); fused && markOf(fused))
    places = fused.getLocations();
  return FusedLoc::get(places, StringAttr::get(context, nameOf(phase)), context);
}

StepPhase colo::phaseOf(Location loc) {
  if (auto named = dyn_cast<NameLoc>(loc))
    return phaseOf(named.getChildLoc());
  auto fused = dyn_cast<FusedLoc>(loc);
  if (!fused)
    return StepPhase::Forward;
  std::optional<StepPhase> mark = markOf(fused);
  return mark ? *mark : phaseOf(fused.getLocations().front());
}
