//===- Training.cpp - settings of a training run ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Training.h"
#include "mlir/IR/Builders.h"

using namespace colo;
using namespace mlir;

namespace {

/// One list of the fields serves both directions.
template <typename T, typename Visitor> void visitFields(T &training, Visitor &visit) {
  visit("optimizer", training.optimizer);
  visit("lr", training.lr);
  visit("momentum", training.momentum);
  visit("dampening", training.dampening);
  visit("beta1", training.beta1);
  visit("beta2", training.beta2);
  visit("eps", training.eps);
  visit("weightDecay", training.weightDecay);
  visit("nesterov", training.nesterov);
  visit("schedule", training.schedule);
  visit("warmupSteps", training.warmupSteps);
  visit("totalSteps", training.totalSteps);
  visit("minLr", training.minLr);
  visit("clipGradNorm", training.clipGradNorm);
  visit("batchSize", training.batchSize);
  visit("microBatch", training.microBatch);
  visit("globalBatchSize", training.globalBatchSize);
  visit("accumulation", training.accumulation);
  visit("seed", training.seed);
  visit("data", training.data);
  visit("pipeline", training.pipeline);
  visit("sequence", training.sequence);
  // A program without a loss scale says nothing of it.
  if (!visit.isWritten(training.lossScale != 0))
    return;
  visit("lossScale", training.lossScale);
  visit("scaleDynamic", training.scaleDynamic);
  visit("scaleGrowth", training.scaleGrowth);
  visit("scaleBackoff", training.scaleBackoff);
  visit("scaleMinimum", training.scaleMinimum);
  visit("scaleMaximum", training.scaleMaximum);
  visit("scaleInterval", training.scaleInterval);
  visit("scaleHysteresis", training.scaleHysteresis);
}

struct Writer {
  Builder builder;
  NamedAttrList entries;

  bool isWritten(bool isSet) const { return isSet; }
  void operator()(StringRef name, const std::string &value) { entries.set(name, builder.getStringAttr(value)); }
  void operator()(StringRef name, double value) { entries.set(name, builder.getF64FloatAttr(value)); }
  void operator()(StringRef name, bool value) { entries.set(name, builder.getBoolAttr(value)); }
  void operator()(StringRef name, int64_t value) { entries.set(name, builder.getI64IntegerAttr(value)); }
};

struct Reader {
  DictionaryAttr entries;
  std::string wrong;
  size_t found = 0;

  bool isWritten(bool) const { return true; }
  template <typename Attr> Attr get(StringRef name) {
    Attribute attr = entries.get(name);
    if (!attr)
      return {};
    ++found;
    auto typed = dyn_cast<Attr>(attr);
    if (!typed)
      wrong = name.str();
    return typed;
  }
  void operator()(StringRef name, std::string &value) {
    if (auto attr = get<StringAttr>(name))
      value = attr.str();
  }
  void operator()(StringRef name, double &value) {
    if (auto attr = get<FloatAttr>(name))
      value = attr.getValueAsDouble();
  }
  void operator()(StringRef name, bool &value) {
    if (auto attr = get<BoolAttr>(name))
      value = attr.getValue();
  }
  void operator()(StringRef name, int64_t &value) {
    if (auto attr = get<IntegerAttr>(name))
      value = attr.getInt();
  }
};

} // namespace

int64_t Training::stateBuffers() const {
  if (optimizer != "SGD")
    return 2;
  return momentum != 0 ? 1 : 0;
}

void Training::attachTo(ModuleOp module) const {
  Writer writer{Builder(module.getContext()), {}};
  visitFields(*this, writer);
  module->setAttr(kTrainingAttr, writer.entries.getDictionary(module.getContext()));
}

FailureOr<Training> Training::of(ModuleOp module) {
  Training training;
  auto entries = module->getAttrOfType<DictionaryAttr>(kTrainingAttr);
  if (!entries)
    return training;
  Reader reader{entries, "", 0};
  visitFields(training, reader);
  if (!reader.wrong.empty())
    return module.emitError("colo.training: '") << reader.wrong << "' has the wrong kind of value";
  if (reader.found != entries.size())
    return module.emitError("colo.training holds a key that is no setting");
  return training;
}
