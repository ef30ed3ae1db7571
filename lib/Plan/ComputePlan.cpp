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

using namespace mlir;
using namespace colo;

namespace {

/// How the replicas are named among the axes of a collective.
constexpr llvm::StringLiteral kReplicas = "dp";

class StepWalker {
public:
  StepWalker(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit, int64_t given)
      : symbols(module), visit(visit), given(given) {}

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
        microBatches = given ? given : batches.getInt();
        times *= microBatches;
      } else if (auto count = getConstantIntValue(loop.getUpperBound())) {
        times *= *count;
      }
    }
    if (op.hasAttr(rt::kLastMicroBatchAttr))
      times /= microBatches;
    for (Region &region : op.getRegions())
      walk(region, times);
  }

  SymbolTable symbols;
  llvm::function_ref<void(Operation *, int64_t)> visit;
  int64_t given, microBatches = 1;
};

int64_t elementBytes(Type type) { return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8); }

int64_t bytesOf(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  return type.getNumElements() * elementBytes(type.getElementType());
}

PlannedCollective describeCollective(Operation *op, const Mesh &mesh, int64_t replicas, int64_t times) {
  PlannedCollective use{op->getName().stripDialect().str(), describe(op->getLoc()), {}, {}, times, payloadOf(op)};
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    use.axes.push_back(axis.getValue().str());
  bool overReplicas = op->hasAttr("data_parallel");
  if (overReplicas)
    use.axes.push_back(kReplicas.str());
  if (!overReplicas || replicas)
    use.sent = trafficOf(op, groupSize(mesh, axes) * (overReplicas ? replicas : 1));
  return use;
}

std::vector<AxesTotal> totalsOf(ArrayRef<PlannedCollective> collectives) {
  std::vector<AxesTotal> totals;
  for (const PlannedCollective &use : collectives) {
    if (!use.perStep)
      continue;
    std::optional<GroupTraffic> sent;
    if (use.sent)
      sent = *use.sent * use.perStep;
    auto it = llvm::find_if(totals, [&](const AxesTotal &total) { return total.axes == use.axes; });
    if (it == totals.end())
      totals.push_back({use.axes, sent});
    else if (sent)
      it->sent = *it->sent + *sent;
  }
  return totals;
}

/// The replicas come first in a rank's number and in a member's.
int64_t memberOf(const Plan &plan, ArrayRef<std::string> axes, int64_t rank) {
  int64_t tensorRank = rank % plan.ranks;
  int64_t member = !axes.empty() && axes.back() == kReplicas ? rank / plan.ranks : 0;
  for (const std::string &name : axes) {
    int64_t minor = 1, coordinate = 0, size = 1;
    for (const auto &[axis, length] : llvm::reverse(plan.mesh)) {
      if (axis == name) {
        coordinate = tensorRank / minor % length;
        size = length;
      }
      minor *= length;
    }
    member = member * size + coordinate;
  }
  return member;
}

int64_t flopsOf(rt::GemmOp gemm) {
  int64_t flops = 2;
  for (int64_t size : gemm.getSizes())
    flops *= size;
  for (int64_t size : gemm.getBatch())
    flops *= size;
  return flops;
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

void colo::walkStep(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit, int64_t microBatches) {
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (role && role.getValue() == "step")
      StepWalker(module, visit, microBatches).walk(func.getBody(), 1);
  }
}

std::vector<std::pair<Operation *, int64_t>> colo::collectivesOf(ModuleOp module, int64_t microBatches) {
  std::vector<std::pair<Operation *, int64_t>> uses;
  llvm::DenseMap<Operation *, size_t> index;
  auto add = [&](Operation *op, int64_t times) {
    if (!isa<rt::AllReduceOp, rt::AllGatherOp, rt::ReduceScatterOp, rt::AllToAllOp, rt::PermuteOp, rt::BroadcastOp,
             rt::ReduceOp>(op))
      return;
    auto [it, fresh] = index.insert({op, uses.size()});
    if (fresh)
      uses.push_back({op, 0});
    uses[it->second].second += times;
  };
  walkStep(module, add, microBatches);
  module.walk([&](Operation *op) { add(op, 0); });
  return uses;
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
  if (auto elements = module->getAttrOfType<IntegerAttr>("colo.param_elements"))
    for (ParamOp param : module.getOps<ParamOp>())
      plan.parameters = elements.getInt() * elementBytes(cast<RankedTensorType>(param.getType()).getElementType());
  plan.gradients = plan.parameters;
  plan.optimizerState = plan.parameters * training.stateBuffers();
  if (auto bytes = module->getAttrOfType<IntegerAttr>("colo.workspace_bytes"))
    plan.workspace = bytes.getInt();
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (!role || role.getValue() != "entry")
      continue;
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (func.getArgAttr(i, "colo.input"))
        plan.inputs += bytesOf(func.getArgument(i)) * plan.microBatches;
    plan.activations = savedBytes(func);
  }
}

Plan colo::computePlan(ModuleOp module, int64_t replicas) {
  Plan plan;
  FailureOr<Training> training = Training::of(module);
  Training settings = succeeded(training) ? *training : Training();
  Mesh mesh = getMesh(module);
  for (const MeshAxis &axis : mesh) {
    plan.mesh.push_back({axis.name.str(), axis.size});
    plan.ranks *= axis.size;
  }
  plan.replicas = replicas ? replicas : settings.data;
  plan.microBatches = microBatchesOf(settings, plan.replicas);
  planMemory(module, settings, plan);
  auto addFlops = [&](Operation *op, int64_t times) {
    if (auto gemm = dyn_cast<rt::GemmOp>(op))
      plan.flops += flopsOf(gemm) * times;
  };
  walkStep(module, addFlops, plan.microBatches);
  for (auto [op, times] : collectivesOf(module, plan.microBatches))
    plan.collectives.push_back(describeCollective(op, mesh, plan.replicas, times));
  plan.totals = totalsOf(plan.collectives);
  return plan;
}

Traffic Plan::sentBy(int64_t rank) const {
  Traffic sum;
  for (const AxesTotal &total : totals)
    if (total.sent)
      sum = sum + total.sent->of(memberOf(*this, total.axes, rank));
  return sum;
}

Traffic Plan::mostSent() const {
  Traffic most;
  for (int64_t rank = 0, world = ranks * std::max<int64_t>(replicas, 1); rank < world; ++rank) {
    Traffic sent = sentBy(rank);
    most = {std::max(most.bytes, sent.bytes), std::max(most.messages, sent.messages)};
  }
  return most;
}
