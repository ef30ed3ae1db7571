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
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

namespace {

class StepWalker {
public:
  StepWalker(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit) : symbols(module), visit(visit) {}

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
        microBatches = batches.getInt();
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
  int64_t microBatches = 1;
};

int64_t elementBytes(Type type) { return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8); }

int64_t bytesOf(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  return type.getNumElements() * elementBytes(type.getElementType());
}

/// Elements of chunk `index` when `count` elements are cut into `ranks` chunks, the longer ones first.
int64_t chunk(int64_t count, int64_t ranks, int64_t index) { return count / ranks + (index < count % ranks); }

int64_t ringAllReduce(Value buffer, int64_t ranks) {
  auto type = cast<MemRefType>(buffer.getType());
  int64_t count = type.getNumElements();
  return (2 * count - chunk(count, ranks, 1 % ranks) - chunk(count, ranks, 2 % ranks)) *
         elementBytes(type.getElementType());
}

/// Fills in what one collective sends in a group of `ranks`.
void countTraffic(Operation *op, int64_t ranks, PlannedCollective &use) {
  int64_t others = ranks - 1;
  use.messages = others;
  llvm::TypeSwitch<Operation *>(op)
      .Case<rt::AllReduceOp>([&](rt::AllReduceOp reduce) {
        use.bytes = ranks > 1 ? ringAllReduce(reduce.getSend(), ranks) : 0;
        use.messages = 2 * others;
        use.payload = bytesOf(reduce.getSend());
      })
      .Case<rt::AllGatherOp>([&](rt::AllGatherOp gather) {
        use.bytes = others * bytesOf(gather.getSend());
        use.payload = bytesOf(gather.getRecv());
      })
      .Case<rt::ReduceScatterOp>([&](rt::ReduceScatterOp scatter) {
        use.bytes = others * bytesOf(scatter.getRecv());
        use.payload = bytesOf(scatter.getSend());
      })
      .Case<rt::AllToAllOp>([&](rt::AllToAllOp exchange) {
        use.bytes = others * (bytesOf(exchange.getSend()) / ranks);
        use.payload = bytesOf(exchange.getSend());
      })
      .Case<rt::BroadcastOp>([&](rt::BroadcastOp broadcast) {
        bool isRoot = broadcast.getRoot() == 0;
        use.bytes = isRoot ? others * bytesOf(broadcast.getSend()) : 0;
        use.messages = isRoot ? others : 0;
        use.payload = bytesOf(broadcast.getSend());
      })
      .Case<rt::ReduceOp>([&](rt::ReduceOp reduce) {
        bool sends = reduce.getRoot() != 0 && ranks > 1;
        use.bytes = sends ? bytesOf(reduce.getSend()) : 0;
        use.messages = sends;
        use.payload = bytesOf(reduce.getSend());
      })
      .Case<rt::PermuteOp>([&](rt::PermuteOp permute) {
        bool moves = permute.getSources().front() != 0;
        use.bytes = moves ? bytesOf(permute.getSend()) : 0;
        use.messages = moves;
        use.payload = bytesOf(permute.getSend());
      });
}

PlannedCollective describeCollective(Operation *op, const Mesh &mesh, int64_t times) {
  PlannedCollective use{op->getName().stripDialect().str(), describe(op->getLoc()), {}, 0, 0, times, 0};
  auto axes = op->getAttrOfType<ArrayAttr>("axes");
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    use.axes.push_back(axis.getValue().str());
  countTraffic(op, groupSize(mesh, axes), use);
  if (op->hasAttr("data_parallel")) {
    use.axes.push_back("dp");
    use.bytes = use.messages = -1;
  }
  return use;
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

void colo::walkStep(ModuleOp module, llvm::function_ref<void(Operation *, int64_t)> visit) {
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (role && role.getValue() == "step")
      StepWalker(module, visit).walk(func.getBody(), 1);
  }
}

std::vector<std::pair<Operation *, int64_t>> colo::collectivesOf(ModuleOp module) {
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
  walkStep(module, add);
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

Plan colo::computePlan(ModuleOp module) {
  Plan plan;
  FailureOr<Training> training = Training::of(module);
  Training settings = succeeded(training) ? *training : Training();
  Mesh mesh = getMesh(module);
  for (const MeshAxis &axis : mesh)
    plan.ranks *= axis.size;
  plan.microBatches = settings.batchSize / settings.microBatch * settings.accumulation;
  if (auto elements = module->getAttrOfType<IntegerAttr>("colo.param_elements"))
    for (ParamOp param : module.getOps<ParamOp>())
      plan.parameters = elements.getInt() * elementBytes(cast<RankedTensorType>(param.getType()).getElementType());
  plan.gradients = plan.parameters;
  plan.optimizerState = plan.parameters * settings.stateBuffers();
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
  walkStep(module, [&](Operation *op, int64_t times) {
    if (auto gemm = dyn_cast<rt::GemmOp>(op))
      plan.flops += flopsOf(gemm) * times;
  });
  for (auto [op, times] : collectivesOf(module))
    plan.collectives.push_back(describeCollective(op, mesh, times));
  return plan;
}
