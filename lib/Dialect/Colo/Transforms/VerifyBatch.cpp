//===- VerifyBatch.cpp - the loss must be a sum over batch rows -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A forward dataflow analysis over three kinds of values: free ones, which no
// input reaches; rows, one dim of which holds the batch; means, which are what
// a weighted mean gives and linear in it. Rules of ops are their factor maps;
// weighted means, random numbers and calls have rules of their own.
//
//===----------------------------------------------------------------------===//

#include "CallSite.h"
#include "colo/Dialect/Colo/Passes.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace colo;

namespace colo {
#define GEN_PASS_DEF_VERIFYBATCHPASS
#include "colo/Dialect/Colo/Passes.h.inc"
} // namespace colo

namespace {
/// What is known of a value.
struct State {
  enum Kind { Free, Rows, Mean } kind = Free;
  /// Rows: dim `dim` is [outer, batch, inner], row-major. A batch of one row may be in no dim: -1.
  int64_t dim = -1, outer = 1, inner = 1;
  /// Free: the dims along which all elements are equal, as bits.
  uint64_t uniform = 0;
  bool fromParameters = false;

  bool isUniform(int64_t d) const { return (uniform >> d) & 1; }
  bool operator==(const State &o) const {
    return kind == o.kind && dim == o.dim && outer == o.outer && inner == o.inner && uniform == o.uniform &&
           fromParameters == o.fromParameters;
  }
};

/// Consecutive factors whose product is [outer, batch, inner].
struct Span {
  SmallVector<int> factors;
  int64_t outer = 1, inner = 1;
  bool operator==(const Span &o) const { return factors == o.factors && outer == o.outer && inner == o.inner; }
};

class BatchAnalysis {
public:
  BatchAnalysis(int64_t batch, SymbolTable &symbols) : batch(batch), symbols(symbols) {}

  /// States of the arguments must be set.
  LogicalResult run(func::FuncOp func);
  void set(Value value, State state) { states[value] = state; }

private:
  LogicalResult visit(Operation *op);
  LogicalResult visitCall(CallSite site);
  LogicalResult visitLayers(CallSite site, LayersOp layers);
  LogicalResult visitMean(Operation *op);
  LogicalResult visitWeightedMean(WeightedMeanOp op);
  LogicalResult visitRandom(Operation *op);
  LogicalResult visitByFactors(ShardingRuleOpInterface op);

  FailureOr<std::optional<Span>> findSpan(Operation *op, const FactorMap &map);
  Span spanOf(const State &state, const DimFactors &factors, const FactorMap &map);
  LogicalResult placeRows(OpResult result, const Span &span, const FactorMap &map, size_t index);
  State freeResult(ShardingRuleOpInterface op, const FactorMap &map, size_t index);
  bool dependsOnParameters(OpResult result);
  FailureOr<State> join(Operation *op, State before, State after);

  int64_t batch;
  SymbolTable &symbols;
  llvm::DenseMap<Value, State> states;
};
} // namespace

static InFlightDiagnostic emitSplitError(Operation *op) {
  return op->emitError() << "'" << op->getName().stripDialect() << "' depends on how the batch is split: ";
}

//===----------------------------------------------------------------------===//
// Rules from factor maps
//===----------------------------------------------------------------------===//

Span BatchAnalysis::spanOf(const State &state, const DimFactors &factors, const FactorMap &map) {
  Span span;
  int64_t before = 1, covered = 1;
  for (int factor : factors) {
    int64_t size = map.factors[factor].size;
    if (covered < state.outer && covered * size <= state.outer && state.outer % (covered * size) == 0) {
      covered *= size;
      before = covered;
      continue;
    }
    if (!span.factors.empty() && covered >= state.outer * batch)
      break;
    span.factors.push_back(factor);
    covered *= size;
  }
  span.outer = state.outer / before;
  span.inner = covered / (state.outer * batch);
  return span;
}

/// The factors that hold the batch in all operands that have rows; none if no operand has.
FailureOr<std::optional<Span>> BatchAnalysis::findSpan(Operation *op, const FactorMap &map) {
  std::optional<Span> span;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    State state = states.lookup(operand);
    if (state.kind != State::Rows || state.dim < 0)
      continue;
    Span own = spanOf(state, map.operands[i][state.dim], map);
    if (own.factors.empty())
      continue;
    if (span && !(*span == own))
      return emitSplitError(op) << "it combines rows of the batch with other rows";
    span = own;
  }
  if (!span)
    return span;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    State state = states.lookup(operand);
    if (state.kind != State::Free)
      continue;
    for (auto [d, factors] : llvm::enumerate(map.operands[i]))
      if (!state.isUniform(d) && llvm::any_of(factors, [&](int f) { return llvm::is_contained(span->factors, f); }))
        return emitSplitError(op) << "operand #" << i << " differs from row to row and is no input; "
                                  << "only inputs have batch rows, other values are broadcast over them";
  }
  return span;
}

static LogicalResult checkKinds(Operation *op, const Span &span, const FactorMap &map) {
  for (int factor : span.factors) {
    switch (map.factors[factor].kind) {
    case FactorKind::Parallel:
      break;
    case FactorKind::Sum:
    case FactorKind::Max:
      return emitSplitError(op) << "it reduces over batch rows; only the mean of a loss or a metric may";
    case FactorKind::Replicated:
    case FactorKind::Ring:
      return emitSplitError(op) << "it normalises, cuts or joins the batch; only other dims may be";
    }
  }
  return success();
}

LogicalResult BatchAnalysis::placeRows(OpResult result, const Span &span, const FactorMap &map, size_t index) {
  State state;
  state.kind = State::Rows;
  for (auto [d, factors] : llvm::enumerate(map.results[index])) {
    auto first = llvm::find(factors, span.factors.front());
    if (first == factors.end())
      continue;
    size_t at = first - factors.begin();
    if (ArrayRef<int>(factors).drop_front(at).take_front(span.factors.size()) != ArrayRef<int>(span.factors))
      return emitSplitError(result.getOwner()) << "it spreads the batch over several dims of its result";
    state.dim = d;
    state.outer = span.outer;
    state.inner = span.inner;
    for (auto [j, factor] : llvm::enumerate(factors)) {
      if (j < at)
        state.outer *= map.factors[factor].size;
      else if (j >= at + span.factors.size())
        state.inner *= map.factors[factor].size;
    }
    break;
  }
  if (state.dim < 0)
    return emitSplitError(result.getOwner()) << "it drops the batch; only the mean of a loss or a metric may";
  state.fromParameters = dependsOnParameters(result);
  set(result, state);
  return success();
}

State BatchAnalysis::freeResult(ShardingRuleOpInterface op, const FactorMap &map, size_t index) {
  auto isUniformFactor = [&](int factor) {
    bool found = false;
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      for (auto [d, factors] : llvm::enumerate(map.operands[i]))
        if (llvm::is_contained(factors, factor)) {
          found = true;
          if (!states.lookup(operand).isUniform(d))
            return false;
        }
    return found || isa<BroadcastOp, ConstantOp>(op.getOperation()) || isa<IotaOp>(op.getOperation());
  };
  State state;
  for (auto [d, factors] : llvm::enumerate(map.results[index]))
    if (llvm::all_of(factors, isUniformFactor))
      state.uniform |= uint64_t(1) << d;
  if (auto iota = dyn_cast<IotaOp>(op.getOperation()))
    state.uniform &= ~(uint64_t(1) << iota.getDim());
  return state;
}

bool BatchAnalysis::dependsOnParameters(OpResult result) {
  return llvm::any_of(dependencies(result), [&](Value operand) { return states.lookup(operand).fromParameters; });
}

LogicalResult BatchAnalysis::visitByFactors(ShardingRuleOpInterface op) {
  FactorMap map = op.getFactorMap();
  FailureOr<std::optional<Span>> span = findSpan(op, map);
  if (failed(span) || (*span && failed(checkKinds(op, **span, map))))
    return failure();
  bool hasRows = llvm::any_of(op->getOperands(), [&](Value v) { return states.lookup(v).kind == State::Rows; });
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    if (*span) {
      if (failed(placeRows(result, **span, map, i)))
        return failure();
      continue;
    }
    // Rows without a factor are a batch of one row, which a reshape may leave in any dim of size 1, or in none.
    State state = freeResult(op, map, i);
    if (hasRows) {
      state = State();
      state.kind = State::Rows;
      for (auto [d, factors] : llvm::enumerate(map.results[i]))
        if (factors.empty() && state.dim < 0)
          state.dim = d;
    }
    state.fromParameters = dependsOnParameters(result);
    set(result, state);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Rules of their own
//===----------------------------------------------------------------------===//

LogicalResult BatchAnalysis::visitWeightedMean(WeightedMeanOp op) {
  if (states.lookup(op.getWeights()).fromParameters)
    return op.emitError("weights of a mean depend on parameters; denominators are counted before the first forward, "
                        "from inputs and constants only");
  FactorMap map = op.getFactorMap();
  if (failed(findSpan(op, map)))
    return failure();
  State state;
  state.kind = State::Mean;
  state.fromParameters = true;
  set(op.getResult(), state);
  return success();
}

/// An op that reads a mean: shares add up to its result where it is linear in every mean that it reads at once.
LogicalResult BatchAnalysis::visitMean(Operation *op) {
  auto isMean = [&](Value v) { return states.lookup(v).kind == State::Mean; };
  auto rule = dyn_cast<ShardingRuleOpInterface>(op);
  FactorMap map = rule ? rule.getFactorMap() : FactorMap();
  bool isLinear = map.allPartialAlike || llvm::count_if(op->getOperands(), isMean) == 1;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    bool takesShares = map.linearOperands >> i & 1;
    bool isConstant = operand.getDefiningOp<ConstantOp>() && !(takesShares && map.allPartialAlike);
    isLinear &= isMean(operand) ? takesShares : isConstant;
  }
  // A random number is another one for each share.
  isLinear &= !isa<PositionalOpInterface>(op);
  if (!isLinear)
    return emitSplitError(op) << "it reads a mean over the batch, of which each micro-batch and replica holds a share; "
                              << "means may be added, subtracted and multiplied by constants";
  State state;
  state.kind = State::Mean;
  state.fromParameters = true;
  set(op->getResult(0), state);
  return success();
}

/// Random numbers are drawn by the global row, which is dim 0.
LogicalResult BatchAnalysis::visitRandom(Operation *op) {
  // Numbers from nothing, or dropout of what is equal in all rows.
  State state;
  if (op->getNumOperands())
    state = states.lookup(op->getOperand(0));
  else
    state.uniform = 1;
  bool isBatchFirst = state.kind == State::Rows && state.dim == 0 && state.outer == 1 && state.inner == 1;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(op->getResult(0).getType()).getShape();
  if (isa<DropoutOp, RandomOp>(op) && state.kind == State::Free && !shape.empty() && shape[0] == batch &&
      state.isUniform(0)) {
    State rows;
    rows.kind = State::Rows;
    rows.dim = 0;
    rows.fromParameters = state.fromParameters;
    set(op->getResult(0), rows);
    return success();
  }
  if (!isBatchFirst)
    return emitSplitError(op) << "it draws random numbers by batch row, so dim 0 must be the batch (" << batch
                              << "), not merged with another dim";
  return visitByFactors(cast<ShardingRuleOpInterface>(op));
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

LogicalResult BatchAnalysis::visitCall(CallSite site) {
  for (unsigned i = 0; i < site.numOperands(); ++i)
    set(site.argument(i), states.lookup(site.operand(i)));
  if (failed(run(site.callee)))
    return failure();
  for (unsigned i = 0; i < site.numResults(); ++i)
    set(site.result(i), states.lookup(site.returned(i)));
  return success();
}

/// What holds of a carried value before and after a layer.
FailureOr<State> BatchAnalysis::join(Operation *op, State before, State after) {
  before.fromParameters |= after.fromParameters;
  if (before.kind == State::Free && after.kind == State::Rows && after.dim >= 0 && before.isUniform(after.dim)) {
    after.fromParameters = before.fromParameters;
    return after;
  }
  if (before.kind == State::Free && after.kind == State::Free) {
    before.uniform &= after.uniform;
    return before;
  }
  if (before.kind == State::Rows && after.kind == State::Free && before.dim >= 0 && after.isUniform(before.dim))
    return before;
  if (before.kind != after.kind || before.dim != after.dim || before.outer != after.outer ||
      before.inner != after.inner)
    return emitSplitError(op) << "the batch is in another dim after a layer than before it";
  return before;
}

LogicalResult BatchAnalysis::visitLayers(CallSite site, LayersOp layers) {
  unsigned numInvariants = layers.getInvariants().size();
  SmallVector<State> arguments;
  for (unsigned i = 0; i < site.numOperands(); ++i) {
    State state = states.lookup(site.operand(i));
    if (i >= site.numCarried + numInvariants) {
      if (state.kind == State::Rows && state.dim == 0)
        return emitSplitError(layers) << "the layers run over the batch";
      state.dim -= state.kind == State::Rows && state.dim > 0;
      state.uniform >>= 1;
    }
    arguments.push_back(state);
  }
  // States only lose what they promise, so this ends.
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned i = 0; i < site.numOperands(); ++i)
      set(site.argument(i), arguments[i]);
    if (failed(run(site.callee)))
      return failure();
    for (unsigned i = 0; i < site.numCarried; ++i) {
      FailureOr<State> joined = join(layers, arguments[i], states.lookup(site.returned(i)));
      if (failed(joined))
        return failure();
      changed |= !(*joined == arguments[i]);
      arguments[i] = *joined;
    }
  }
  unsigned firstStacked = site.numCarried + layers.getAccumulated().size();
  for (unsigned i = 0; i < site.numResults(); ++i) {
    State state = i < site.numCarried ? arguments[i] : states.lookup(site.returned(i));
    if (i >= firstStacked) {
      state.dim += state.kind == State::Rows && state.dim >= 0;
      state.uniform <<= 1;
    }
    set(site.result(i), state);
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

LogicalResult BatchAnalysis::visit(Operation *op) {
  if (isa<ParamRefOp>(op)) {
    State state;
    state.fromParameters = true;
    set(op->getResult(0), state);
    return success();
  }
  if (auto site = getCallSite(op, symbols)) {
    auto layers = dyn_cast<LayersOp>(op);
    return layers ? visitLayers(*site, layers) : visitCall(*site);
  }
  if (auto metric = dyn_cast<MetricOp>(op)) {
    if (states.lookup(metric.getValue()).kind == State::Mean)
      return success();
    return metric.emitError() << "metric \"" << metric.getName() << "\" is not a mean over the batch, so micro-batches "
                              << "and replicas do not add up to it; return a loss, an accuracy or a sum of such";
  }
  if (isa<func::ReturnOp>(op))
    return success();
  if (llvm::any_of(op->getOperands(), [&](Value v) { return states.lookup(v).kind == State::Mean; }))
    return visitMean(op);
  if (auto mean = dyn_cast<WeightedMeanOp>(op))
    return visitWeightedMean(mean);
  if (auto random = dyn_cast<RandomOpInterface>(op); random && random.drawsNumbers())
    return visitRandom(op);
  if (auto ruled = dyn_cast<ShardingRuleOpInterface>(op))
    return visitByFactors(ruled);
  return op->emitError("this op has no rule that says what it does with batch rows");
}

LogicalResult BatchAnalysis::run(func::FuncOp func) {
  for (Value arg : func.getArguments())
    if (isParameter(arg)) {
      State state;
      state.fromParameters = true;
      set(arg, state);
    }
  for (Operation &op : func.front())
    if (failed(visit(&op)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Pass
//===----------------------------------------------------------------------===//

namespace {
struct VerifyBatchPass : public colo::impl::VerifyBatchPassBase<VerifyBatchPass> {
  void runOnOperation() override {
    func::FuncOp entry = findRole(getOperation(), "entry");
    if (!entry) {
      getOperation().emitError("no function has the role \"entry\"");
      return signalPassFailure();
    }
    std::optional<int64_t> batch;
    for (BlockArgument input : entry.getArguments()) {
      ArrayRef<int64_t> shape = cast<RankedTensorType>(input.getType()).getShape();
      if (shape.empty() || (batch && shape[0] != *batch)) {
        entry.emitError() << "dim 0 of every input is the batch, but input " << input.getArgNumber() << " is "
                          << input.getType();
        return signalPassFailure();
      }
      batch = shape[0];
    }
    if (!batch)
      return;
    SymbolTable symbols(getOperation());
    BatchAnalysis analysis(*batch, symbols);
    State rows;
    rows.kind = State::Rows;
    rows.dim = 0;
    for (BlockArgument input : entry.getArguments())
      analysis.set(input, rows);
    if (failed(analysis.run(entry)))
      signalPassFailure();
  }
};
} // namespace
