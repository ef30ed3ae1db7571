//===- ComputePlan.cpp - memory, work and communication of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Mesh.h"
#include "colo/Conversion/Training.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Plan/Plan.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"
#include <numeric>
#include <set>

using namespace mlir;
using namespace colo;

namespace {

/// How replicas and pipeline ranks are named among the axes of a collective.
constexpr llvm::StringLiteral kReplicas = "dp", kStages = "pp";

class StepWalker {
public:
  StepWalker(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit, int64_t given, int64_t rank)
      : symbols(module), visit(visit), given(given), rank(rank) {}

  void walk(Region &region, int64_t times) {
    for (Block &block : region)
      for (Operation &op : block)
        walk(op, times);
  }

private:
  void walk(Operation &op, int64_t times) {
    visit(&op, times);
    if (auto call = dyn_cast<func::CallOp>(op)) {
      if (auto callee = symbols.lookup<func::FuncOp>(call.getCallee()))
        walk(callee.getBody(), times);
      return;
    }
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      if (auto batches = loop->getAttrOfType<IntegerAttr>(rt::kMicroBatchesAttr)) {
        auto round = loop->getAttrOfType<IntegerAttr>(rt::kRoundAttr);
        microBatches = given ? given / (round ? round.getInt() : 1) : batches.getInt();
        times *= microBatches;
      } else if (auto count = getConstantIntValue(loop.getUpperBound())) {
        times *= *count;
      }
    }
    if (op.hasAttr(rt::kLastMicroBatchAttr))
      times /= microBatches;
    if (auto executions = op.getAttrOfType<DenseI64ArrayAttr>(rt::kExecutionsAttr))
      return walkCases(op, executions, times);
    if (op.hasAttr(rt::kRankSwitchAttr) && rank >= 0)
      return walk(op.getRegion(static_cast<unsigned>(rank) + 1), times);
    for (Region &region : op.getRegions())
      walk(region, times);
  }

  /// Cases of a switch over the rows of a table, which the loop around it runs through once.
  void walkCases(Operation &op, ArrayRef<int64_t> executions, int64_t times) {
    int64_t rows = std::accumulate(executions.begin(), executions.end(), int64_t(0)), outer = microBatches;
    for (auto [region, count] : llvm::zip(op.getRegions().drop_front(), executions)) {
      microBatches = outer * count;
      walk(region, times / rows * count);
    }
    microBatches = outer;
  }

  SymbolTable symbols;
  llvm::function_ref<void(Operation *, int64_t)> visit;
  int64_t given, rank, microBatches = 1;
};

int64_t elementBytes(Type type) { return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8); }

/// "pp" for all pipeline ranks, "pp:0:3" for some.
std::string nameOfStages(ArrayRef<int64_t> stages, int64_t all) {
  std::string name = kStages.str();
  if (static_cast<int64_t>(stages.size()) != all)
    for (int64_t stage : stages)
      name += ":" + std::to_string(stage);
  return name;
}

/// The place of a pipeline rank among those that a name of `nameOfStages` names; -1 if it is none of them.
int64_t placeAmongStages(StringRef name, int64_t stage) {
  SmallVector<StringRef> parts;
  name.split(parts, ':');
  if (parts.size() == 1)
    return stage;
  auto it = llvm::find(parts, std::to_string(stage));
  return it == parts.end() ? -1 : it - parts.begin() - 1;
}

PlannedCollective describeCollective(rt::CommunicationOpInterface op, const Mesh &mesh, int64_t pipeline,
                                     int64_t replicas, std::vector<int64_t> executions) {
  PlannedCollective use{
      op->getName().stripDialect().str(), describe(op->getLoc()), phaseOf(op->getLoc()), {}, {}, std::move(executions),
      rt::bytesOf(op.getPayload())};
  ArrayAttr axes = op.getAxes();
  ArrayRef<int64_t> stages = op.getStages();
  if (!stages.empty())
    use.axes.push_back(nameOfStages(stages, pipeline));
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    use.axes.push_back(axis.getValue().str());
  bool overReplicas = op.getDataParallel();
  if (overReplicas)
    use.axes.push_back(kReplicas.str());
  use.rounds = rt::roundsOf(op);
  if (overReplicas && !replicas)
    return use;
  int64_t members = groupSize(mesh, axes) * std::max<int64_t>(stages.size(), 1) * (overReplicas ? replicas : 1);
  use.sent = rt::trafficOf(op, members, use.rounds);
  use.most = rt::trafficOf(op, members).most().bytes;
  return use;
}

std::vector<AxesTotal> totalsOf(ArrayRef<PlannedCollective> collectives) {
  std::vector<AxesTotal> totals;
  for (const PlannedCollective &use : collectives) {
    if (!use.perStep())
      continue;
    auto it = llvm::find_if(totals, [&](const AxesTotal &total) { return total.axes == use.axes; });
    bool isFirst = it == totals.end();
    if (isFirst)
      it = totals.insert(it, {use.axes, {}});
    if (!use.sent)
      continue;
    if (isFirst)
      it->sent.emplace();
    for (size_t stage = 0; stage < use.executions.size(); ++stage) {
      GroupTraffic sent = *use.sentPerStep(static_cast<int64_t>(stage));
      if (isFirst)
        it->sent->push_back(std::move(sent));
      else
        (*it->sent)[stage] = (*it->sent)[stage] + sent;
    }
  }
  return totals;
}

/// Where a rank stands in the groups over one list of axes: a rank is a replica, a pipeline rank and a tensor rank.
/// The replicas come first in its number and in a member's, then pipeline ranks.
class GroupPlaces {
public:
  GroupPlaces(const Plan &plan, ArrayRef<std::string> axes) {
    overReplicas = !axes.empty() && axes.back() == kReplicas;
    for (int64_t stage = 0; stage < plan.stages(); ++stage)
      stagePlaces.push_back(0);
    for (const std::string &name : axes) {
      if (StringRef(name).starts_with(kStages)) {
        int64_t colons = static_cast<int64_t>(StringRef(name).count(':'));
        stages = colons ? colons : plan.stages();
        for (auto [stage, place] : llvm::enumerate(stagePlaces))
          place = placeAmongStages(name, static_cast<int64_t>(stage));
        continue;
      }
      int64_t minor = 1;
      for (const auto &[axis, length] : llvm::reverse(plan.mesh)) {
        if (axis == name) {
          digits.push_back({minor, length});
          tensorMembers *= length;
        }
        minor *= length;
      }
    }
  }

  /// -1 if the rank is not in a group.
  int64_t memberOf(int64_t replica, int64_t stage, int64_t tensorRank) const {
    if (stagePlaces[stage] < 0)
      return -1;
    int64_t member = (overReplicas ? replica : 0) * stages + stagePlaces[stage];
    for (auto [minor, length] : digits)
      member = member * length + tensorRank / minor % length;
    return member;
  }

  bool isOverReplicas() const { return overReplicas; }
  /// Of one replica.
  int64_t members() const { return stages * tensorMembers; }

private:
  bool overReplicas;
  int64_t stages = 1, tensorMembers = 1;
  SmallVector<int64_t> stagePlaces;                ///< by pipeline rank; -1: in no group
  SmallVector<std::pair<int64_t, int64_t>> digits; ///< of a tensor rank: what one of them is worth, how many there are
};

/// One replica of each run of neighbours whose members send alike, its first, and every replica whose own members
/// differ.
std::vector<int64_t> distinctReplicas(const Plan &plan, ArrayRef<GroupPlaces> places) {
  int64_t replicas = std::max<int64_t>(plan.replicas, 1);
  std::set<int64_t> found = {0};
  for (auto [total, place] : llvm::zip(plan.totals, places)) {
    if (!total.sent || !place.isOverReplicas())
      continue;
    for (const GroupTraffic &stage : *total.sent) {
      int64_t end = 0;
      for (const GroupTraffic::Run &run : stage.getRuns()) {
        end += run.members;
        // A run ends inside a replica, or between two.
        for (int64_t replica : {end / place.members(), end / place.members() + 1})
          if (replica < replicas)
            found.insert(replica);
      }
    }
  }
  return {found.begin(), found.end()};
}

int64_t flopsOf(rt::GemmOp gemm) {
  int64_t flops = 2;
  for (int64_t size : gemm.getSizes())
    flops *= size;
  for (int64_t size : gemm.getBatch())
    flops *= size;
  return flops;
}

int64_t flopsOf(rt::LaunchOp launch, SymbolTable &kernels) {
  Operation *kernel = kernels.lookup(launch.getKernel());
  auto flops = kernel ? kernel->getAttrOfType<IntegerAttr>(rt::kFlopsAttr) : IntegerAttr();
  return flops ? flops.getInt() : 0;
}

/// Bytes of the stacked results of runs of layers: what their backward reads.
int64_t savedBytes(func::FuncOp entry) {
  int64_t bytes = 0;
  entry.walk([&](rt::SlotOp slot) {
    if (auto stack = slot->getAttrOfType<IntegerAttr>(rt::kStackAttr))
      bytes += stack.getInt();
  });
  return bytes;
}

} // namespace

void colo::walkStep(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit, int64_t microBatches,
                    int64_t rank) {
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (role && role.getValue() == "step")
      StepWalker(module, visit, microBatches, rank).walk(func.getBody(), 1);
  }
}

std::vector<rt::CommunicationOpInterface> colo::collectivesOf(ModuleOp module) {
  llvm::SetVector<Operation *> uses;
  auto add = [&](Operation *op) {
    if (isa<rt::CommunicationOpInterface>(op))
      uses.insert(op);
  };
  walkStep(module, [&](Operation *op, int64_t) { add(op); });
  module.walk(add);
  std::vector<rt::CommunicationOpInterface> result;
  for (Operation *op : uses)
    result.push_back(cast<rt::CommunicationOpInterface>(op));
  return result;
}

std::string colo::describe(Location loc) {
  if (auto named = dyn_cast<NameLoc>(loc)) {
    std::string place = describe(named.getChildLoc());
    return named.getName().str() + (place.empty() ? "" : " " + place);
  }
  if (auto file = dyn_cast<FileLineColLoc>(loc))
    return (file.getFilename().getValue().rsplit('/').second.empty() ? file.getFilename().getValue()
                                                                     : file.getFilename().getValue().rsplit('/').second)
               .str() +
           ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (std::string text = describe(part); !text.empty())
        return text;
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return describe(call.getCallee());
  return "";
}

/// Micro-batches of one replica's step; a global batch is shared out at launch.
static int64_t microBatchesOf(const Training &training, int64_t replicas) {
  if (training.globalBatchSize && replicas)
    return training.globalBatchSize / (replicas * training.microBatch);
  return training.batchSize / training.microBatch * training.accumulation;
}

static void planMemory(ModuleOp module, const Training &training, Plan &plan) {
  if (auto elements = module->getAttrOfType<IntegerAttr>(kParamElementsAttr))
    for (ParamOp param : module.getOps<ParamOp>()) {
      plan.parameters = elements.getInt() * elementBytes(cast<RankedTensorType>(param.getType()).getElementType());
      plan.copies = param.getReadAs() ? elements.getInt() * elementBytes(*param.getReadAs()) : 0;
    }
  plan.stateBuffers = training.stateBuffers();
  if (auto bytes = module->getAttrOfType<IntegerAttr>(kWorkspaceBytesAttr))
    plan.workspace = bytes.getInt();
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (!role || role.getValue() != "entry")
      continue;
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (func.getArgAttr(i, kInputAttr))
        plan.inputs += rt::bytesOf(func.getArgument(i)) * plan.microBatches;
    plan.activations = savedBytes(func);
  }
}

/// One row a pipeline rank, and how often each op of the step runs there.
static void planStages(ModuleOp module, Plan &plan, llvm::DenseMap<Operation *, std::vector<int64_t>> &executions) {
  auto perRank = [&](StringRef name) { return module->getAttrOfType<DenseI64ArrayAttr>(name); };
  DenseI64ArrayAttr elements = perRank(kRankElementsAttr), workspaces = perRank(kRankWorkspaceBytesAttr),
                    saved = perRank(kRankSavedBytesAttr);
  auto whole = module->getAttrOfType<IntegerAttr>(kParamElementsAttr);
  auto perElement = [&](int64_t bytes) { return whole && whole.getInt() ? bytes / whole.getInt() : 0; };
  SymbolTable symbols(module);
  for (auto [rank, row] : llvm::enumerate(plan.pipeline)) {
    bool known = elements && workspaces && saved && rank < static_cast<size_t>(elements.size());
    row.parameters = known ? elements[rank] * perElement(plan.parameters) : plan.parameters;
    row.copies = known ? elements[rank] * perElement(plan.copies) : plan.copies;
    row.workspace = known ? workspaces[rank] : plan.workspace;
    row.saved = known ? saved[rank] : plan.activations;
    auto count = [&, &row = row, rank = rank](Operation *op, int64_t times) {
      if (auto gemm = dyn_cast<rt::GemmOp>(op))
        row.flops += flopsOf(gemm) * times;
      else if (auto launch = dyn_cast<rt::LaunchOp>(op))
        row.flops += flopsOf(launch, symbols) * times;
      std::vector<int64_t> &counts = executions[op];
      counts.resize(plan.pipeline.size());
      counts[rank] += times;
    };
    walkStep(module, count, plan.microBatches, static_cast<int64_t>(rank));
  }
}

/// Bytes of the rank that holds most, not the most of each kind: that need be no rank's.
static void takeLargest(Plan &plan) {
  auto largest = llvm::max_element(
      plan.pipeline, [&](const PlannedStage &a, const PlannedStage &b) { return plan.totalOf(a) < plan.totalOf(b); });
  auto busiest =
      llvm::max_element(plan.pipeline, [](const PlannedStage &a, const PlannedStage &b) { return a.flops < b.flops; });
  plan.largest = largest - plan.pipeline.begin();
  plan.busiest = busiest - plan.pipeline.begin();
  plan.flops = busiest->flops;
  plan.parameters = plan.gradients = largest->parameters;
  plan.copies = largest->copies;
  plan.optimizerState = largest->parameters * plan.stateBuffers;
  plan.workspace = largest->workspace;
  plan.activations = largest->saved;
}

Plan colo::computePlan(ModuleOp module, int64_t replicas) {
  Plan plan;
  FailureOr<Training> training = Training::of(module);
  Training settings = succeeded(training) ? *training : Training();
  Mesh mesh = getMesh(module);
  for (const MeshAxis &axis : mesh) {
    plan.mesh.push_back({axis.name.str(), axis.size});
    plan.tensorRanks *= axis.size;
  }
  plan.replicas = replicas ? replicas : settings.data;
  plan.microBatches = microBatchesOf(settings, plan.replicas);
  planMemory(module, settings, plan);
  plan.pipeline.resize(settings.pipeline);
  llvm::DenseMap<Operation *, std::vector<int64_t>> executions;
  planStages(module, plan, executions);
  takeLargest(plan);
  for (rt::CommunicationOpInterface op : collectivesOf(module)) {
    std::vector<int64_t> &counts = executions[op];
    counts.resize(plan.pipeline.size());
    plan.collectives.push_back(describeCollective(op, mesh, settings.pipeline, plan.replicas, counts));
    if (auto send = dyn_cast<rt::SendOp>(op.getOperation()))
      plan.pipeline[send.getRank()].transfers =
          plan.pipeline[send.getRank()].transfers + *plan.collectives.back().mostPerStep();
  }
  plan.totals = totalsOf(plan.collectives);
  return plan;
}

int64_t PlannedCollective::perStep() const { return *llvm::max_element(executions); }

std::optional<Traffic> PlannedCollective::mostPerStep() const {
  return sent ? std::optional(sent->most() * (perStep() / rounds)) : std::nullopt;
}

std::optional<Traffic> AxesTotal::most() const {
  if (!sent)
    return std::nullopt;
  Traffic most;
  for (const GroupTraffic &stage : *sent)
    most = std::max(most, stage.most());
  return most;
}

int64_t Plan::totalOf(const PlannedStage &stage) const {
  return stage.parameters * (2 + stateBuffers) + stage.copies + stage.workspace + inputs + staging;
}

Traffic Plan::mostSent() const {
  std::vector<GroupPlaces> places;
  for (const AxesTotal &total : totals)
    places.emplace_back(*this, total.axes);
  Traffic most;
  for (int64_t replica : distinctReplicas(*this, places))
    for (int64_t stage = 0; stage < stages(); ++stage)
      for (int64_t tensorRank = 0; tensorRank < tensorRanks; ++tensorRank) {
        Traffic sum;
        for (auto [total, place] : llvm::zip(totals, places))
          if (int64_t member = place.memberOf(replica, stage, tensorRank); total.sent && member >= 0)
            sum = sum + (*total.sent)[stage].of(member);
        most = std::max(most, sum);
      }
  return most;
}
