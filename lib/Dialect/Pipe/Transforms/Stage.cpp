//===- Stage.cpp - layers to virtual stages -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The entry function is read in program order, so an op never belongs to an
// earlier stage than what it reads. A value that a later stage reads passes
// through every stage in between, as pipelines have neighbours only.
//
//===----------------------------------------------------------------------===//

#include "Costs.h"
#include "colo/Dialect/Pipe/Passes.h"
#include "colo/Schedule/Generators.h"
#include "colo/Schedule/Partition.h"
#include "colo/Schedule/ScheduleFile.h"
#include "colo/Schedule/Transfers.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringSet.h"

namespace colo::pipe {
#define GEN_PASS_DEF_STAGEPASS
#include "colo/Dialect/Pipe/Passes.h.inc"
} // namespace colo::pipe

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

namespace {

/// A run of layers, or a call, and its place among all layers of the model.
struct Unit {
  Operation *op;
  int64_t first, count;
};

class Stager {
public:
  Stager(ModuleOp module, const StagePassOptions &options)
      : module(module), options(options), symbols(module), builder(module.getContext()) {}

  LogicalResult run();
  /// Only checks that the layers can be divided so.
  LogicalResult divideLayers();

private:
  FailureOr<schedule::Schedule> makeSchedule(schedule::ScheduleProblem &problem);
  void addSchedule(const schedule::ScheduleProblem &problem, const schedule::Schedule &schedule, ArrayRef<double> costs,
                   ArrayRef<double> again);
  void collectUnits();
  std::vector<int64_t> layerCosts();
  std::vector<int64_t> recomputedCosts();
  LogicalResult partitionLayers();
  LogicalResult emitSizeError(const Twine &message);
  std::pair<std::vector<double>, std::vector<double>> stageCosts() const;
  LogicalResult checkRun(LayersOp run);
  LogicalResult checkRepeatedRuns();
  void splitRun(const Unit &unit);
  ArrayAttr splitParams(LayersOp run, int64_t begin, int64_t count);
  void assignStages();
  void connect();
  Value valueIn(Value value, int64_t stage);
  void hoist(Value value, Operation *before);
  void classify();
  /// Computed from inputs and constants alone.
  bool isFree(Value value) const { return !value.getDefiningOp() || free.contains(value.getDefiningOp()); }
  /// Cheap, and computed from parameters, inputs and constants alone: each stage computes it for itself.
  bool isPortable(Value value) const { return !value.getDefiningOp() || portable.contains(value.getDefiningOp()); }
  OpBuilder atStart(int64_t stage) { return OpBuilder(starts[stage]); }
  void enterLoss();

  int64_t numStages() const { return options.stages * options.chunks; }
  int64_t stageOfLayer(int64_t layer) const {
    for (auto [stage, range] : llvm::enumerate(partition))
      if (layer < range.end)
        return static_cast<int64_t>(stage);
    return numStages() - 1;
  }

  bool isCut(const Unit &unit) const { return stageOfLayer(unit.first) != stageOfLayer(unit.first + unit.count - 1); }

  ModuleOp module;
  const StagePassOptions &options;
  SymbolTable symbols;
  OpBuilder builder;
  func::FuncOp entry;
  SmallVector<Unit> units;
  int64_t layers = 0;
  std::vector<int64_t> flops, recomputed; ///< of each layer's forward, and of it in the backward
  schedule::Partition partition;
  llvm::DenseSet<Operation *> free, portable;
  /// The stage of each op that has one.
  llvm::DenseMap<Operation *, int64_t> stages;
  /// The first op of each stage.
  SmallVector<Operation *> starts;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> known;
};

} // namespace

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

FailureOr<schedule::Schedule> Stager::makeSchedule(schedule::ScheduleProblem &problem) {
  problem.stages = options.stages;
  problem.chunks = options.chunks;
  problem.microBatches = options.microBatches;
  schedule::Diagnostic error;
  std::optional<schedule::Schedule> schedule;
  if (options.scheduleText.empty()) {
    schedule = schedule::generate(options.schedule, problem, error);
  } else {
    schedule = schedule::readSchedule(options.scheduleText, error);
    std::optional<schedule::Diagnostic> wrong = schedule ? problem.verify(*schedule) : std::nullopt;
    if (wrong)
      return module.emitError() << wrong->message;
  }
  if (!schedule)
    return module.emitError() << error.message;
  return schedule->hasTransfers() ? std::move(*schedule) : schedule::insertTransfers(problem, *schedule);
}

void Stager::addSchedule(const schedule::ScheduleProblem &problem, const schedule::Schedule &schedule,
                         ArrayRef<double> costs, ArrayRef<double> again) {
  std::string text;
  llvm::raw_string_ostream os(text);
  schedule::writeSchedule(schedule, os);
  SmallVector<StringRef> rows;
  StringRef(os.str()).split(rows, '\n', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  builder.setInsertionPointToStart(module.getBody());
  auto config = module->getAttrOfType<LocationAttr>(kConfigLocAttr);
  builder.create<ScheduleOp>(config ? Location(config) : module.getLoc(), "schedule", problem.stages, problem.chunks,
                             problem.placement == schedule::Placement::Vee ? "vee" : "loop", problem.microBatches,
                             builder.getStrArrayAttr(rows), builder.getDenseF64ArrayAttr(costs),
                             llvm::any_of(again, [](double cost) { return cost > 0; })
                                 ? builder.getDenseF64ArrayAttr(again)
                                 : DenseF64ArrayAttr());
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

void Stager::collectUnits() {
  for (Operation *op : layersOf(entry)) {
    auto run = dyn_cast<LayersOp>(op);
    units.push_back({op, layers, run ? static_cast<int64_t>(run.getCount()) : 1});
    layers += units.back().count;
  }
}

/// Flops of each layer, what lies around the layers included.
std::vector<int64_t> Stager::layerCosts() {
  std::vector<int64_t> costs(layers);
  for (const Unit &unit : units)
    std::fill_n(costs.begin() + unit.first, unit.count, flopsOf(unit.op, symbols));
  int64_t current = 0;
  const Unit *next = units.begin();
  for (Operation &op : entry.front()) {
    if (next != units.end() && next->op == &op) {
      current = next->first + next->count - 1;
      ++next;
      continue;
    }
    costs[current] += flopsOf(&op, symbols);
  }
  return costs;
}

/// Flops of each layer that its backward computes again.
std::vector<int64_t> Stager::recomputedCosts() {
  std::vector<int64_t> costs(layers);
  for (auto [unit, again] : llvm::zip(units, recomputedFlops(module)))
    std::fill_n(costs.begin() + unit.first, unit.count, again);
  return costs;
}

/// Of each virtual stage, in forwards of a mean one: what its forward takes, and what its backward computes again.
std::pair<std::vector<double>, std::vector<double>> Stager::stageCosts() const {
  std::vector<double> forward, again;
  double total = 0;
  for (const schedule::LayerRange &range : partition) {
    forward.push_back(0);
    again.push_back(0);
    for (int64_t layer = range.begin; layer < range.end; ++layer) {
      forward.back() += static_cast<double>(std::max<int64_t>(1, flops[layer]));
      again.back() += static_cast<double>(recomputed[layer]);
    }
    total += forward.back();
  }
  for (std::vector<double> *costs : {&forward, &again})
    for (double &cost : *costs)
      cost *= static_cast<double>(partition.size()) / total;
  return {forward, again};
}

/// The sizes are the config's, where it is known, and what they do not fit is the model's.
LogicalResult Stager::emitSizeError(const Twine &message) {
  auto config = module->getAttrOfType<LocationAttr>(kConfigLocAttr);
  if (!config)
    return entry.emitError() << message;
  InFlightDiagnostic diagnostic = mlir::emitError(Location(config)) << message;
  diagnostic.attachNote(entry.getLoc()) << "the layers are those of this function";
  return diagnostic;
}

LogicalResult Stager::partitionLayers() {
  // Before their costs: there may be none.
  if (layers < numStages())
    return emitSizeError("the model has " + Twine(layers) + " layer" + (layers == 1 ? "" : "s") + ", too few for " +
                         Twine(numStages()) + (options.chunks > 1 ? " virtual" : "") +
                         " pipeline stages: each needs at least one; layers are the elements of module lists that a "
                         "loop runs through, or the modules of the file's own classes that the Model's forward calls");
  flops = layerCosts();
  recomputed = recomputedCosts();
  schedule::Diagnostic error;
  std::optional<schedule::Partition> result;
  if (options.partition == "uniform") {
    result = schedule::partitionUniform(layers, options.stages, options.chunks, error);
  } else if (options.partition == "balanced") {
    // A backward is two forwards, and what it computes again.
    std::vector<int64_t> costs;
    for (auto [forward, again] : llvm::zip(flops, recomputed))
      costs.push_back(3 * forward + again);
    result = schedule::partitionBalanced(costs, options.stages, options.chunks, error);
  } else {
    SmallVector<StringRef> words;
    StringRef(options.partition).split(words, ',');
    SmallVector<int64_t> counts;
    for (StringRef word : words)
      if (word.trim().getAsInteger(10, counts.emplace_back()))
        return module.emitError() << "'" << options.partition
                                  << "' is no partition; legal: uniform, balanced or a list";
    result = schedule::partitionByList(layers, counts, options.stages, options.chunks, error);
  }
  if (!result)
    return emitSizeError(error.message);
  partition = std::move(*result);
  return success();
}

LogicalResult Stager::checkRun(LayersOp run) {
  if (!run.getStacked().empty() || !run.getStackedOut().empty() || !run.getAccumulated().empty() || run.getReverse())
    return run.emitError("a run of layers that reads or makes one value a layer cannot be cut into pipeline stages");
  return success();
}

/// The parameters of a run have one place, and their gradients are added up there.
LogicalResult Stager::checkRepeatedRuns() {
  DenseMap<Attribute, const Unit *> first;
  for (const Unit &unit : units) {
    auto run = dyn_cast<LayersOp>(unit.op);
    if (!run)
      continue;
    for (auto name : run.getParams().getAsRange<FlatSymbolRefAttr>()) {
      const Unit &other = *first.try_emplace(name, &unit).first->second;
      if (&other == &unit || (!isCut(unit) && !isCut(other) && stageOfLayer(unit.first) == stageOfLayer(other.first)))
        continue;
      InFlightDiagnostic diagnostic = run.emitError("these layers run more than once (")
                                      << name.getValue()
                                      << "); a pipeline cannot put their runs, or parts of them, on several stages yet";
      diagnostic.attachNote(other.op->getLoc()) << "they run here before";
      return diagnostic;
    }
  }
  return success();
}

/// Parameters of layers [begin, begin + count) of the run; the piece that starts the run keeps the names.
ArrayAttr Stager::splitParams(LayersOp run, int64_t begin, int64_t count) {
  SmallVector<Attribute> names;
  for (auto name : run.getParams().getAsRange<FlatSymbolRefAttr>()) {
    auto param = symbols.lookup<ParamOp>(name.getValue());
    if (begin != 0) {
      ParamOp piece = param.clone();
      piece->setAttr(kNameAttr, builder.getStringAttr(nameOf(param)));
      piece.setSymName((param.getSymName() + "@" + Twine(param.getFirstLayer() + begin)).str());
      piece.setLayers(count);
      piece.setFirstLayer(param.getFirstLayer() + begin);
      symbols.insert(piece, std::next(Block::iterator(param)));
      names.push_back(FlatSymbolRefAttr::get(piece));
      continue;
    }
    names.push_back(name);
  }
  return builder.getArrayAttr(names);
}

void Stager::splitRun(const Unit &unit) {
  auto run = cast<LayersOp>(unit.op);
  int64_t end = unit.first + unit.count;
  builder.setInsertionPoint(run);
  SmallVector<Value> carried(run.getCarried());
  // Later pieces are made first, so that a parameter's pieces stand in order behind it.
  SmallVector<std::pair<int64_t, ArrayAttr>> pieces;
  for (int64_t stop = end; stop > unit.first;) {
    int64_t start = std::max(unit.first, partition[stageOfLayer(stop - 1)].begin);
    pieces.push_back({stop - start, splitParams(run, start - unit.first, stop - start)});
    stop = start;
  }
  int64_t done = 0;
  for (auto [count, params] : llvm::reverse(pieces)) {
    auto piece = builder.create<LayersOp>(run.getLoc(), run.getCarriedOut().getTypes(), TypeRange(), TypeRange(),
                                          run.getCallee(), carried, run.getInvariants(), ValueRange(), params, count,
                                          run.getFirstLayer() + done, /*reverse=*/false);
    stages[piece] = stageOfLayer(unit.first + done);
    carried.assign(piece.getCarriedOut().begin(), piece.getCarriedOut().end());
    done += count;
  }
  for (auto name : run.getParams().getAsRange<FlatSymbolRefAttr>())
    symbols.lookup<ParamOp>(name.getValue()).setLayers(pieces.back().first);
  run.replaceAllUsesWith(carried);
  run.erase();
}

//===----------------------------------------------------------------------===//
// Ops and values
//===----------------------------------------------------------------------===//

/// Reads its operands' answers, which stand before it.
void Stager::classify() {
  for (Operation &op : entry.front().without_terminator()) {
    bool pure = isPure(&op);
    bool cheap = pure && !isa<CostOpInterface, DecomposeOpInterface, EmbeddingOp>(op);
    if (pure && !isa<ParamRefOp>(op) && llvm::all_of(op.getOperands(), [&](Value v) { return isFree(v); }))
      free.insert(&op);
    if (cheap && llvm::all_of(op.getOperands(), [&](Value v) { return isPortable(v); }))
      portable.insert(&op);
  }
}

void Stager::assignStages() {
  classify();
  int64_t current = 0;
  starts.assign(numStages(), nullptr);
  for (Operation &op : entry.front().without_terminator()) {
    if (auto known = stages.find(&op); known != stages.end())
      current = known->second;
    if (free.contains(&op) || portable.contains(&op))
      continue;
    stages[&op] = current;
    if (!starts[current])
      starts[current] = &op;
  }
}

/// A copy at the start of a stage may read what is free, and that may stand behind it.
void Stager::hoist(Value value, Operation *before) {
  Operation *op = value.getDefiningOp();
  if (!op || !isFree(value) || op->isBeforeInBlock(before))
    return;
  for (Value operand : op->getOperands())
    hoist(operand, before);
  op->moveBefore(before);
}

Value Stager::valueIn(Value value, int64_t stage) {
  if (isFree(value))
    return value;
  auto [it, fresh] = known.try_emplace({value, stage});
  if (!fresh)
    return it->second;
  Operation *op = value.getDefiningOp();
  if (isPortable(value)) {
    IRMapping mapping;
    for (Value operand : op->getOperands()) {
      hoist(operand, starts[stage]);
      mapping.map(operand, valueIn(operand, stage));
    }
    Operation *clone = atStart(stage).clone(*op, mapping);
    if (isa<ParamRefOp>(op))
      clone->setAttr(kStageAttr, builder.getI64IntegerAttr(stage));
    for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults()))
      known[{from, stage}] = to;
    return known[{value, stage}];
  }
  Value result = value;
  if (stages.lookup(op) != stage) {
    Value before = valueIn(value, stage - 1);
    result = atStart(stage).create<EnterOp>(value.getLoc(), value.getType(), before, stage - 1, stage,
                                            /*backward=*/false);
  }
  return known[{value, stage}] = result;
}

void Stager::connect() {
  SmallVector<Operation *> ops;
  for (Operation &op : entry.front())
    ops.push_back(&op);
  for (Operation *op : ops)
    if (auto it = stages.find(op); it != stages.end())
      for (OpOperand &operand : op->getOpOperands())
        operand.set(valueIn(operand.get(), it->second));
  // What a stage has a copy of, and what only such things read.
  for (Operation *op : llvm::reverse(ArrayRef(ops).drop_back()))
    if (!stages.count(op) && op->use_empty())
      op->erase();
}

/// Autodiff turns this into the place where the last stage's backward starts.
void Stager::enterLoss() {
  for (auto metric : entry.getOps<MetricOp>()) {
    if (metric.getName() != "loss")
      continue;
    builder.setInsertionPoint(metric);
    int64_t stage = stages.lookup(metric);
    metric.setOperand(builder.create<EnterOp>(metric.getLoc(), metric.getValue().getType(), metric.getValue(), stage,
                                              stage, /*backward=*/false));
  }
}

LogicalResult Stager::divideLayers() {
  for (auto func : module.getOps<func::FuncOp>())
    if (auto role = func->getAttrOfType<StringAttr>(kRoleAttr); role && role.getValue() == "entry")
      entry = func;
  if (!entry)
    return module.emitError("no function has the role \"entry\"");
  collectUnits();
  return partitionLayers();
}

LogicalResult Stager::run() {
  if (failed(divideLayers()))
    return failure();
  schedule::ScheduleProblem problem;
  auto [costs, again] = stageCosts();
  for (auto [cost, more] : llvm::zip(costs, again))
    problem.costs.push_back({cost, cost + more, cost, 0, 0});
  FailureOr<schedule::Schedule> schedule = makeSchedule(problem);
  if (failed(schedule))
    return failure();
  for (const Unit &unit : units)
    if (isCut(unit) && failed(checkRun(cast<LayersOp>(unit.op))))
      return failure();
  if (failed(checkRepeatedRuns()))
    return failure();
  for (const Unit &unit : units) {
    if (isCut(unit))
      splitRun(unit);
    else
      stages[unit.op] = stageOfLayer(unit.first);
  }
  assignStages();
  connect();
  enterLoss();
  addSchedule(problem, *schedule, costs, again);
  return success();
}

namespace {
struct StagePass : public pipe::impl::StagePassBase<StagePass> {
  using StagePassBase::StagePassBase;
  void runOnOperation() override {
    StagePassOptions options{stages, chunks, schedule, scheduleText, microBatches, partition};
    Stager stager(getOperation(), options);
    // One stage has all layers, whatever the partition, but a list must say so.
    bool isList = partition != "uniform" && partition != "balanced";
    if (stages > 1 ? failed(stager.run()) : isList && failed(stager.divideLayers()))
      signalPassFailure();
    getOperation()->removeAttr(kConfigLocAttr);
  }
};
} // namespace
