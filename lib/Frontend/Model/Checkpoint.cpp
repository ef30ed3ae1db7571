//===- Checkpoint.cpp - what is computed again in the backward --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `checkpoint=` is an argument of every module: False keeps its activations,
// 'selective' computes attention() again, True everything but the results of a
// call. A call of a part follows the nearest module around it that says
// something. What the Model is given, the modules of lists have that say
// nothing themselves. `checkpoint(module)(x)` is one call with True.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "colo/Dialect/Colo/Hints.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace colo::model {

std::optional<Recompute> Importer::readCheckpoint(const Value &value, SMLoc loc) {
  if (value.isNone())
    return std::nullopt;
  if (const bool *all = value.get<bool>())
    return *all ? Recompute::All : Recompute::Nothing;
  const auto *text = value.get<std::string>();
  if (text && *text == "selective")
    return Recompute::Attention;
  if (text && *text == "full")
    return Recompute::All;
  fail(loc, "checkpoint must be False, 'selective' or True (the same as 'full'), but this is " + value.describe() +
                (text ? didYouMean(*text, {"selective", "full"}) : ""));
}

void Importer::checkNoParameterIsReserved(const ClassStmt &definition) {
  for (const Parameter &parameter : definition.parameters)
    if (parameter.name == kCheckpointArgument)
      fail(parameter.loc, "class " + definition.name +
                              " cannot have a parameter 'checkpoint': every module takes that argument already, and "
                              "what it means is fixed (False, 'selective' or True)");
}

Checkpoint *Importer::noteCheckpoint(Recompute recompute, const Module &module, SMLoc loc) {
  auto [it, isNew] = checkpoints.insert({{loc.getPointer(), recompute}, Checkpoint{recompute, loc, &module}});
  return &it->second;
}

void Importer::takeCheckpoint(Module &module, Arguments &arguments) {
  SMLoc earlier;
  erase_if(arguments.given, [&](const std::pair<std::string, BoundArgument> &entry) {
    if (entry.first != kCheckpointArgument)
      return false;
    const BoundArgument &argument = entry.second;
    if (earlier.isValid())
      fail(argument.loc, "argument 'checkpoint' of " + module.definition->name + " is given twice");
    earlier = argument.loc;
    if (std::optional<Recompute> recompute = readCheckpoint(argument.value, argument.loc))
      module.checkpoint = noteCheckpoint(*recompute, module, argument.loc);
    return true;
  });
}

Checkpoint *Importer::checkpointOf(const Module &module) const {
  for (const Module *at = &module; at && at != model.get(); at = at->parent) {
    if (at->checkpoint)
      return at->checkpoint;
    if (at->run && model->checkpoint)
      return model->checkpoint;
  }
  return nullptr;
}

bool Importer::markRecomputed(Recompute recompute, mlir::Block::iterator first, mlir::Block::iterator end,
                              ArrayRef<Tensor> results) {
  bool marks = false;
  for (mlir::Operation &op : make_range(first, end)) {
    bool isResult = any_of(results, [&](const Tensor &result) { return result.value.getDefiningOp() == &op; });
    if (recompute == Recompute::All ? isResult : !mlir::isa<AttentionOp>(op))
      continue;
    op.setAttr(kRecomputeAttr, mlir::UnitAttr::get(op.getContext()));
    marks = true;
  }
  return marks;
}

void Importer::reportUnusedCheckpoints() {
  for (const auto &entry : checkpoints) {
    const Checkpoint &checkpoint = entry.second;
    if (checkpoint.recompute == Recompute::Nothing || (checkpoint.isCalled && checkpoint.marks))
      continue;
    StringRef name = checkpoint.module->definition->name;
    if (checkpoint.module == model.get() && !checkpoint.isCalled)
      fail(checkpoint.loc, "checkpoint of a Model is for its layers, the modules of lists, and " + name +
                               " calls none that leaves it to the Model; give checkpoint= to single modules instead");
    if (checkpoint.module == model.get() && checkpoint.recompute == Recompute::Attention)
      fail(checkpoint.loc, "checkpoint='selective' computes attention() again, which no layer of " + name +
                               " calls; legal here: False or True");
    if (!checkpoint.isCalled)
      diagnostics.warning(checkpoint.loc, "checkpoint changes nothing: module " + name + " is never called");
    else if (checkpoint.recompute == Recompute::Attention)
      diagnostics.warning(checkpoint.loc, "checkpoint='selective' changes nothing: module " + name +
                                              " calls no attention(); True computes all of it again");
  }
}

Value Importer::callCheckpoint(const std::shared_ptr<Module> &module, Arguments given, SMLoc loc) {
  return callModule(module, std::move(given), loc, Recompute::All);
}

} // namespace colo::model
