//===- Cut.cpp - one function a virtual stage and direction -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An op belongs to the stage of what it reads: `pipe.enter` and parameters say
// which that is. It is backward if it stands behind the place where the loss's
// gradient starts. What depends on inputs and constants alone is computed in
// every function that reads it, and so are views of what a forward has kept.
//
//===----------------------------------------------------------------------===//

#include "SplitBackward.h"
#include "colo/Dialect/Pipe/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include <set>

namespace colo::pipe {
#define GEN_PASS_DEF_CUTPASS
#include "colo/Dialect/Pipe/Passes.h.inc"
} // namespace colo::pipe

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

namespace {

/// What a piece computes of its stage. A backward that is not split is all `Backward`.
enum class Task { Forward, Backward, Weights };
constexpr unsigned numTasks = 3;

/// Where an op belongs; `stage` is -1 where it is computed by whoever reads it.
struct Part {
  int64_t stage = -1;
  Task task = Task::Forward;
  bool operator==(const Part &other) const { return stage == other.stage && task == other.task; }
};

/// One function of the cut program.
struct Piece {
  Part part;
  SmallVector<Operation *> ops;
  SmallVector<EnterOp> leaving; ///< values that it sends on
  llvm::SetVector<Value> reads; ///< arguments: model inputs, results of enters, values of the stage's earlier pieces
  llvm::SetVector<Value> keeps; ///< what later pieces of the stage read of it
};

class Cutter {
public:
  Cutter(func::FuncOp source, int64_t stages, StringRef role, bool splits)
      : source(source), stages(stages), role(role), splits(splits) {}

  LogicalResult run();

private:
  void removeTurns();
  LogicalResult classify();
  FailureOr<Part> partOf(Operation *op, bool turned);
  Piece &piece(const Part &part) { return pieces[numTasks * part.stage + static_cast<unsigned>(part.task)]; }
  LogicalResult collectReads();
  LogicalResult need(Piece &piece, Value value);
  void build(Piece &piece, OpBuilder &builder);
  Value materialize(Value value, OpBuilder &builder, IRMapping &mapping);
  int64_t numberOf(Value value);

  func::FuncOp source;
  int64_t stages;
  StringRef role;
  bool splits; ///< gradients of parameters are a piece of their own
  llvm::DenseSet<Operation *> weights;
  std::vector<Piece> pieces;
  llvm::DenseMap<Operation *, Part> parts;
  Operation *turn = nullptr; ///< what the backward starts with
  llvm::DenseMap<Value, int64_t> numbers;
};

} // namespace

/// Where the backward starts there is nothing to send.
void Cutter::removeTurns() {
  for (EnterOp op : llvm::make_early_inc_range(source.getOps<EnterOp>())) {
    if (op.getFrom() != op.getTo())
      continue;
    if (op.getBackward()) {
      // A mark in the order of the ops, erased with them.
      turn = OpBuilder(op).create<EnterOp>(op.getLoc(), op.getType(), op.getInput(), op.getFrom(), op.getTo(), true);
      parts[turn] = {};
    }
    op.replaceAllUsesWith(op.getInput());
    op.erase();
  }
}

FailureOr<Part> Cutter::partOf(Operation *op, bool turned) {
  Part part;
  if (turned)
    part.task = weights.contains(op) ? Task::Weights : Task::Backward;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (!def)
      continue;
    auto enter = dyn_cast<EnterOp>(def);
    auto stage = def->getAttrOfType<IntegerAttr>(kStageAttr);
    int64_t from = enter ? static_cast<int64_t>(enter.getTo()) : stage ? stage.getInt() : parts[def].stage;
    if (from < 0)
      continue;
    if (part.stage >= 0 && part.stage != from)
      return op->emitOpError("reads values of pipeline stages ") << part.stage << " and " << from;
    part.stage = from;
  }
  if (part.stage < 0 && !isPure(op))
    part.stage = 0;
  return part;
}

LogicalResult Cutter::classify() {
  bool turned = false;
  for (Operation &op : source.front().without_terminator()) {
    turned |= &op == turn;
    if (&op == turn || isa<EnterOp>(op) || isa<ParamRefOp>(op))
      continue;
    FailureOr<Part> part = partOf(&op, turned);
    if (failed(part))
      return failure();
    parts[&op] = *part;
    if (part->stage >= 0)
      piece(*part).ops.push_back(&op);
  }
  for (auto enter : source.getOps<EnterOp>())
    if (enter != turn)
      piece({static_cast<int64_t>(enter.getFrom()), enter.getBackward() ? Task::Backward : Task::Forward})
          .leaving.push_back(enter);
  return success();
}

/// Makes `value` an argument of the piece where it is not computed there.
LogicalResult Cutter::need(Piece &piece, Value value) {
  Operation *def = value.getDefiningOp();
  if (!def) {
    piece.reads.insert(value);
    return success();
  }
  if (isa<ParamRefOp>(def))
    return success();
  if (auto enter = dyn_cast<EnterOp>(def)) {
    if (static_cast<int64_t>(enter.getTo()) != piece.part.stage ||
        (enter.getBackward() && piece.part.task == Task::Forward))
      return def->emitOpError("is read by another pipeline stage");
    piece.reads.insert(value);
    return success();
  }
  const Part &from = parts[def];
  if (from == piece.part)
    return success();
  if (from.stage < 0 || (from.stage == piece.part.stage && isa<RearrangingOpInterface>(def))) {
    for (Value operand : def->getOperands())
      if (failed(need(piece, operand)))
        return failure();
    return success();
  }
  if (from.stage != piece.part.stage || from.task > piece.part.task)
    return def->emitOpError("of pipeline stage ") << from.stage << " is read by stage " << piece.part.stage;
  piece.reads.insert(value);
  this->piece(from).keeps.insert(value);
  return success();
}

LogicalResult Cutter::collectReads() {
  for (Piece &piece : pieces) {
    for (Operation *op : piece.ops)
      for (Value operand : op->getOperands())
        if (failed(need(piece, operand)))
          return failure();
    for (EnterOp enter : piece.leaving)
      if (failed(need(piece, enter.getInput())))
        return failure();
  }
  return success();
}

int64_t Cutter::numberOf(Value value) {
  if (auto input = dyn_cast<BlockArgument>(value))
    return -1 - static_cast<int64_t>(input.getArgNumber());
  return numbers.try_emplace(value, numbers.size()).first->second;
}

Value Cutter::materialize(Value value, OpBuilder &builder, IRMapping &mapping) {
  if (!mapping.contains(value)) {
    Operation *def = value.getDefiningOp();
    for (Value operand : def->getOperands())
      materialize(operand, builder, mapping);
    builder.clone(*def, mapping);
  }
  return mapping.lookup(value);
}

void Cutter::build(Piece &piece, OpBuilder &builder) {
  // Model inputs first, in their order, then what comes from elsewhere.
  SmallVector<BlockArgument> inputs;
  for (Value value : piece.reads)
    if (auto input = dyn_cast<BlockArgument>(value))
      inputs.push_back(input);
  llvm::sort(inputs, [](BlockArgument x, BlockArgument y) { return x.getArgNumber() < y.getArgNumber(); });
  SmallVector<Value> reads(inputs.begin(), inputs.end());
  llvm::copy_if(piece.reads, std::back_inserter(reads), [](Value value) { return !isa<BlockArgument>(value); });
  SmallVector<int64_t> arguments, results;
  SmallVector<Type> types;
  for (Value value : reads)
    arguments.push_back(numberOf(value));
  SmallVector<Value> returned;
  for (EnterOp enter : piece.leaving) {
    returned.push_back(enter.getInput());
    results.push_back(numberOf(enter.getResult()));
  }
  for (Value value : piece.keeps) {
    returned.push_back(value);
    results.push_back(numberOf(value));
  }
  StringRef task = piece.part.task == Task::Forward ? "F" : piece.part.task == Task::Weights ? "W" : splits ? "I" : "B";
  auto func = builder.create<func::FuncOp>(
      source.getLoc(), (source.getName() + "." + task + Twine(piece.part.stage)).str(),
      builder.getFunctionType(TypeRange(ValueRange(reads)), TypeRange(ValueRange(returned))));
  func->setAttr(kRoleAttr, builder.getStringAttr(role));
  func->setAttr(kStageAttr, builder.getI64IntegerAttr(piece.part.stage));
  func->setAttr(kTaskAttr, builder.getStringAttr(task));
  func->setAttr(kReadsAttr, builder.getDenseI64ArrayAttr(arguments));
  func->setAttr(kLeavingAttr, builder.getI64IntegerAttr(piece.leaving.size()));
  func->setAttr(kWritesAttr, builder.getDenseI64ArrayAttr(results));
  Block *body = func.addEntryBlock();
  for (auto [argument, value] : llvm::zip(body->getArguments(), reads))
    argument.setLoc(value.getLoc());
  IRMapping mapping;
  mapping.map(ValueRange(reads), body->getArguments());
  OpBuilder inner = OpBuilder::atBlockEnd(body);
  for (Operation *op : piece.ops) {
    for (Value operand : op->getOperands())
      materialize(operand, inner, mapping);
    inner.clone(*op, mapping);
  }
  for (Value &value : returned)
    value = materialize(value, inner, mapping);
  inner.create<func::ReturnOp>(source.getLoc(), returned);
}

LogicalResult Cutter::run() {
  for (int64_t stage = 0; stage < stages; ++stage)
    for (Task task : {Task::Forward, Task::Backward, Task::Weights}) {
      pieces.emplace_back();
      pieces.back().part = {stage, task};
    }
  removeTurns();
  if (splits) {
    splitBackwardCalls(source);
    weights = weightGradientOps(source.front());
  }
  if (failed(classify()) || failed(collectReads()))
    return failure();
  OpBuilder builder(source);
  for (Piece &piece : pieces)
    if (!piece.ops.empty() || !piece.leaving.empty() || (splits && piece.part.task != Task::Forward))
      build(piece, builder);
  // The signature stays: it says what the model's inputs are.
  Operation *terminator = source.front().getTerminator();
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(source.front())))
    if (&op != terminator)
      op.erase();
  return success();
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

namespace {

/// Gives each parameter the ranks that read it, and each rank a symbol of its own.
class ParameterOwners {
public:
  ParameterOwners(ModuleOp module, const schedule::ScheduleProblem &problem)
      : module(module), problem(problem), symbols(module), builder(module.getContext()) {}

  void run() {
    for (auto func : module.getOps<func::FuncOp>())
      visit(func, [&](StringRef name, int64_t rank) {
        ranks[name].insert(rank);
        return FlatSymbolRefAttr();
      });
    for (auto param : llvm::make_early_inc_range(module.getOps<ParamOp>()))
      settle(param);
    for (auto func : module.getOps<func::FuncOp>())
      visit(func, [&](StringRef name, int64_t rank) {
        auto copy = copies.find({name.str(), rank});
        return copy == copies.end() ? FlatSymbolRefAttr() : FlatSymbolRefAttr::get(builder.getContext(), copy->second);
      });
  }

private:
  using Rename = llvm::function_ref<FlatSymbolRefAttr(StringRef, int64_t)>;

  void visit(func::FuncOp func, Rename rename) {
    auto stage = func->getAttrOfType<IntegerAttr>(kStageAttr);
    if (!stage)
      return;
    int64_t rank = problem.rankOf(stage.getInt());
    func.walk([&](Operation *op) {
      if (auto ref = dyn_cast<ParamRefOp>(op)) {
        if (auto name = rename(ref.getParam(), rank))
          ref.setParamAttr(name);
      } else if (auto names = op->getAttrOfType<ArrayAttr>("params")) {
        SmallVector<Attribute> renamed;
        for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
          FlatSymbolRefAttr other = rename(name.getValue(), rank);
          renamed.push_back(other ? other : name);
        }
        op->setAttr("params", builder.getArrayAttr(renamed));
      }
    });
  }

  void settle(ParamOp param) {
    // What nothing reads lies on the first rank.
    std::set<int64_t> &on = ranks[param.getSymName()];
    SmallVector<int64_t> all(on.begin(), on.end());
    param->setAttr(kRankAttr, builder.getI64IntegerAttr(all.empty() ? 0 : all.front()));
    if (all.size() < 2)
      return;
    param->setAttr(kSharedAttr, builder.getDenseI64ArrayAttr(all));
    Operation *last = param;
    for (int64_t rank : ArrayRef(all).drop_front()) {
      ParamOp copy = param.clone();
      copy->setAttr(kNameAttr, builder.getStringAttr(nameOf(param)));
      copy->setAttr(kCopyOfAttr, FlatSymbolRefAttr::get(param));
      copy->setAttr(kRankAttr, builder.getI64IntegerAttr(rank));
      copy.setSymName((param.getSymName() + "@rank" + Twine(rank)).str());
      symbols.insert(copy, std::next(Block::iterator(last)));
      copies[{param.getSymName().str(), rank}] = copy.getSymName().str();
      last = copy;
    }
  }

  ModuleOp module;
  const schedule::ScheduleProblem &problem;
  SymbolTable symbols;
  Builder builder;
  llvm::StringMap<std::set<int64_t>> ranks;
  std::map<std::pair<std::string, int64_t>, std::string> copies;
};

struct CutPass : public pipe::impl::CutPassBase<CutPass> {
  void runOnOperation() override {
    ScheduleOp op = findSchedule(getOperation());
    if (!op)
      return;
    schedule::ScheduleProblem problem = problemOf(op);
    FailureOr<schedule::Schedule> schedule = scheduleOf(op);
    if (failed(schedule))
      return signalPassFailure();
    bool splits = llvm::any_of(schedule->ranks, [](const std::vector<schedule::Action> &list) {
      return llvm::any_of(
          list, [](const schedule::Action &action) { return action.kind == schedule::ActionKind::WeightGradient; });
    });
    for (auto func : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
      if (!role || (role.getValue() != "entry" && role.getValue() != "evaluate"))
        continue;
      bool trains = role.getValue() == "entry";
      if (failed(Cutter(func, problem.numVirtualStages(), trains ? kStageRole : kEvaluateStageRole, trains && splits)
                     .run()))
        return signalPassFailure();
      if (!trains)
        func.erase();
    }
    ParameterOwners(getOperation(), problem).run();
  }
};

} // namespace
