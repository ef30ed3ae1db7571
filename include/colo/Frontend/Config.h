//===- Config.h - the resolved parallel configuration ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A config file is evaluated, never executed. The result is this plain struct,
// in which every value knows where in the user's file it came from.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_FRONTEND_CONFIG_H
#define COLO_FRONTEND_CONFIG_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace llvm {
class SourceMgr;
} // namespace llvm

namespace colo {

/// A value with the place in the config that set it; `loc` is invalid for a
/// default.
template <typename T> struct Sourced {
  T value{};
  llvm::SMLoc loc{};
  bool isDefault() const { return !loc.isValid(); }
  operator const T &() const { return value; }
};

/// A tensor mode by the name that users write, "none" for None. What it asks is looked up by that name
/// (colo/Dialect/Dist/Modes.h); nothing compares it.
using TensorMode = std::string;

/// Defaults are those of torch.optim for the type.
struct OptimizerConfig {
  Sourced<std::string> type{"AdamW"}; // SGD, Adam, AdamW
  Sourced<double> lr{1e-3}, momentum{0}, dampening{0}, beta1{0.9}, beta2{0.999}, eps{1e-8}, weightDecay{0.01};
  Sourced<bool> nesterov{false};
  /// Patterns (llvm::GlobPattern) of the exported names of parameters without
  /// weight decay; the model says what they match (ModelOptions::decayExempt).
  std::vector<Sourced<std::string>> decayExempt;
  llvm::SMLoc decayExemptLoc{};
};

/// The learning rate by steps (optimizer updates), from OptimizerConfig::lr.
struct ScheduleConfig {
  Sourced<std::string> type{"constant"}; // constant, linear, cosine
  Sourced<int64_t> warmupSteps{0};
  Sourced<int64_t> totalSteps{0}; // 0: the run's --steps
  Sourced<double> minLr{0};
};

/// By what the loss is multiplied, by steps (colo/Runtime/LossScale.h).
struct LossScaleConfig {
  Sourced<bool> on{false}, dynamic{true};
  Sourced<double> initial{0}, growth{2}, backoff{0.5}, minimum{0}, maximum{0}; // a maximum of 0: none
  Sourced<int64_t> interval{0}, hysteresis{1};
};

/// What `-D name=value` and `model=dict(...)` give a Model's parameters.
using ModelValue = std::variant<int64_t, double, bool, std::string>;

/// A value for a parameter of the Model; `nameLoc` is where the parameter is named.
struct ModelDefine : Sourced<ModelValue> {
  llvm::SMLoc nameLoc{};
};

/// A legal configuration; what a size divides in the model is checked later, at the op. Sizes count ranks.
struct ParallelConfig {
  Sourced<int64_t> pipeline{1};
  Sourced<std::string> pipelineSchedule{"1f1b"}; // a name, or a file of actions that ends in .csv
  std::string pipelineActions;                   // the text of that file, for whoever reads it
  Sourced<int64_t> pipelineChunks{1};
  Sourced<std::string> pipelinePartition{"uniform"}; // uniform, balanced, or "2,3,3"
  Sourced<int64_t> tensorSize{1};
  Sourced<TensorMode> tensorMode{"none"};
  Sourced<int64_t> depth{1};
  Sourced<bool> sequenceParallel{false};
  Sourced<int64_t> sequenceSize{1};  // sequence=dict(size=...), beside the tensor mode
  Sourced<std::string> sequenceMode; // loadConfig gives the default
  Sourced<int64_t> data{0};          // 0: inferred at launch
  Sourced<int64_t> worldSize{0};     // --world-size, 0: unknown

  Sourced<int64_t> batchSize{8};       // rows per data-parallel replica
  Sourced<int64_t> globalBatchSize{0}; // 0: not given
  Sourced<int64_t> numMicroBatches{1};
  Sourced<int64_t> gradientAccumulation{1};
  Sourced<double> clipGradNorm{0};       // 0: off
  Sourced<std::string> precision{"f32"}; // of activations and products: f32, bf16, f16; f32 is what the model says
  Sourced<int64_t> seed{1024};
  LossScaleConfig lossScale; // on with f16
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  std::map<std::string, ModelDefine> model;

  /// Rows of one micro-batch of one replica.
  int64_t microBatch() const { return batchSize / numMicroBatches; }
  /// Whether the schedule is a file's.
  bool hasScheduleFile() const { return isScheduleFile(pipelineSchedule.value); }
  static bool isScheduleFile(llvm::StringRef name) { return name.ends_with_insensitive(".csv"); }
};

/// What the rest of the compiler can do. A legal config that asks for more gets
/// an error that says "not supported yet". By default the table of Config.cpp
/// answers.
struct SupportedFeatures {
  /// "pipeline", "zero", "apex", "torch_ddp", "experts".
  std::function<bool(llvm::StringRef)> feature;
};

/// Parses, evaluates and resolves the config held in `sources` as buffer
/// `bufferId`. Every problem is one diagnostic through `sources` (file, line,
/// column, caret, the fact and the legal values); returns nullopt after any
/// error. `worldSize` is 0 where it is not known. Throws nothing.
std::optional<ParallelConfig> loadConfig(llvm::SourceMgr &sources, unsigned bufferId, int64_t worldSize,
                                         SupportedFeatures supported = {});

/// Prints every value and where it came from, as --print-config shows it.
void printConfig(const ParallelConfig &config, const llvm::SourceMgr &sources, llvm::raw_ostream &os);

} // namespace colo

#endif // COLO_FRONTEND_CONFIG_H
