//===- Pad.cpp - vocabularies as multiples of their shards ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

namespace colo::dist {
#define GEN_PASS_DEF_PADPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

namespace {
/// A dim of a value or of a parameter.
using Node = std::pair<void *, int64_t>;

/// Which dims are one and the same, over the whole module.
class EqualDims {
public:
  explicit EqualDims(ModuleOp module) : module(module), symbols(module) {
    module.walk([&](Operation *op) { visit(op); });
  }

  Node leaderOf(Value value, int64_t dim) { return leaderOf(value.getAsOpaquePointer(), dim); }
  Node leaderOf(ParamOp param, int64_t dim) { return leaderOf(param.getOperation(), dim); }

private:
  Node leaderOf(void *tensor, int64_t dim) { return classes.getOrInsertLeaderValue({tensor, dim}); }

  void unite(void *a, void *b, int64_t rank, int64_t shift = 0) {
    for (int64_t dim = 0; dim < rank; ++dim)
      classes.unionSets({a, dim + shift}, {b, dim});
  }
  void unite(Value a, Value b, int64_t shift = 0) {
    unite(a.getAsOpaquePointer(), b.getAsOpaquePointer(), cast<RankedTensorType>(b.getType()).getRank(), shift);
  }

  void visit(Operation *op) {
    if (auto rule = dyn_cast<ShardingRuleOpInterface>(op))
      visitFactors(op, rule.getFactorMap());
    else if (auto ref = dyn_cast<ParamRefOp>(op))
      unite(symbols.lookup(ref.getParam()), ref.getResult().getAsOpaquePointer(), ref.getType().getRank());
    else if (auto grad = dyn_cast<GradOp>(op))
      unite(grad.getGradient(), grad.getParam());
    else if (auto layers = dyn_cast<LayersOp>(op))
      visitCall(op, symbols.lookup<func::FuncOp>(layers.getCallee()), layers.getParams(),
                layers.getCarried().size() + layers.getInvariants().size(),
                layers.getCarriedOut().size() + layers.getAccumulated().size());
    else if (auto call = dyn_cast<CallOp>(op))
      visitCall(op, symbols.lookup<func::FuncOp>(call.getCallee()), call.getParams(), op->getNumOperands(),
                op->getNumResults());
  }

  /// Stacked operands and results, from the given numbers on, have a leading dim more than the callee's.
  void visitCall(Operation *op, func::FuncOp callee, ArrayAttr params, unsigned firstStacked,
                 unsigned firstStackedResult) {
    for (OpOperand &operand : op->getOpOperands())
      unite(operand.get(), callee.getArgument(operand.getOperandNumber()), operand.getOperandNumber() >= firstStacked);
    for (auto [i, name] : llvm::enumerate(params.getAsRange<FlatSymbolRefAttr>())) {
      Value arg = callee.getArgument(op->getNumOperands() + i);
      unite(symbols.lookup(name.getValue()), arg.getAsOpaquePointer(), cast<RankedTensorType>(arg.getType()).getRank());
    }
    for (OpResult result : op->getResults())
      unite(result, callee.front().getTerminator()->getOperand(result.getResultNumber()),
            result.getResultNumber() >= firstStackedResult);
  }

  void visitFactors(Operation *op, const FactorMap &map) {
    SmallVector<std::optional<Node>> first(map.factors.size());
    auto visitTensor = [&](Value value, const TensorFactors &dims) {
      for (auto [dim, factors] : llvm::enumerate(dims)) {
        if (factors.size() != 1)
          continue;
        Node node{value.getAsOpaquePointer(), dim};
        if (std::optional<Node> &known = first[factors.front()])
          classes.unionSets(*known, node);
        else
          known = node;
      }
    };
    for (auto [value, dims] : llvm::zip(op->getOperands(), map.operands))
      visitTensor(value, dims);
    for (auto [value, dims] : llvm::zip(op->getResults(), map.results))
      visitTensor(value, dims);
  }

  ModuleOp module;
  SymbolTable symbols;
  llvm::EquivalenceClasses<Node> classes;
};

class Padder {
public:
  Padder(ModuleOp module, int64_t shards) : module(module), shards(shards), dims(module) {}

  LogicalResult run() {
    module.walk([&](Operation *op) { findVocabularies(op); });
    if (padded.empty())
      return success();
    WalkResult result = module.walk([&](Operation *op) {
      auto rule = dyn_cast<ShardingRuleOpInterface>(op);
      return rule && failed(check(op, rule.getFactorMap())) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      return failure();
    resize();
    return success();
  }

private:
  void findVocabularies(Operation *op) {
    auto add = [&](Value value, int64_t dim) {
      int64_t size = cast<RankedTensorType>(value.getType()).getDimSize(dim);
      if (size % shards != 0)
        padded.insert({dims.leaderOf(value, dim), (size / shards + 1) * shards});
    };
    if (isa<CrossEntropyOp, CrossEntropyGradOp, CorrectOp>(op))
      add(op->getOperand(0), cast<RankedTensorType>(op->getOperand(0).getType()).getRank() - 1);
    else if (auto lookup = dyn_cast<EmbeddingOp>(op))
      add(lookup.getTable(), 0);
    else if (auto grad = dyn_cast<EmbeddingGradOp>(op))
      add(grad.getResult(), 0);
  }

  /// Whether padding in a factor of this op changes nothing: it stays in the
  /// padding, or meets zeros in a product, or is masked.
  static bool toleratesPadding(Operation *op, FactorKind kind) {
    if (isa<CrossEntropyOp, CrossEntropyGradOp, CorrectOp>(op))
      return true;
    if (kind == FactorKind::Parallel)
      return true;
    return kind == FactorKind::Sum && isa<EinsumOp, EmbeddingOp, EmbeddingGradOp>(op);
  }

  LogicalResult check(Operation *op, const FactorMap &map) {
    auto checkTensor = [&](Value value, const TensorFactors &tensor) -> LogicalResult {
      for (auto [dim, factors] : llvm::enumerate(tensor)) {
        auto it = padded.find(dims.leaderOf(value, dim));
        if (it == padded.end())
          continue;
        if (factors.size() == 1 && toleratesPadding(op, map.factors[factors.front()].kind))
          continue;
        InFlightDiagnostic diagnostic = op->emitError("dim ")
                                        << dim << " of " << value.getType()
                                        << " is a vocabulary that its shards do not divide, and cannot be padded here";
        diagnostic.attachNote() << "a multiple of " << shards << ", such as " << it->second << ", needs no padding";
        return failure();
      }
      return success();
    };
    for (auto [value, tensor] : llvm::zip(op->getOperands(), map.operands))
      if (failed(checkTensor(value, tensor)))
        return failure();
    for (auto [value, tensor] : llvm::zip(op->getResults(), map.results))
      if (failed(checkTensor(value, tensor)))
        return failure();
    return success();
  }

  template <typename Tensor> Type resized(Tensor tensor, Type type) {
    auto ranked = dyn_cast<RankedTensorType>(type);
    if (!ranked)
      return type;
    SmallVector<int64_t> shape(ranked.getShape());
    for (auto [dim, size] : llvm::enumerate(shape))
      if (auto it = padded.find(dims.leaderOf(tensor, dim)); it != padded.end())
        size = it->second;
    return withShape(ranked, shape);
  }

  void resize() {
    Builder builder(module.getContext());
    module.walk([&](PositionalOpInterface op) { recordPositions(op); });
    for (auto param : module.getOps<ParamOp>())
      param.setType(resized(param, param.getType()));
    for (auto func : module.getOps<func::FuncOp>()) {
      for (BlockArgument arg : func.getArguments())
        arg.setType(resized(Value(arg), arg.getType()));
      for (Operation &op : func.front())
        for (Value result : op.getResults())
          result.setType(resized(result, result.getType()));
      func.setFunctionType(
          builder.getFunctionType(func.front().getArgumentTypes(), func.front().getTerminator()->getOperandTypes()));
    }
  }

  /// Random streams count the true elements.
  void recordPositions(PositionalOpInterface op) {
    Builder builder(op.getContext());
    Value value = op.getPositionedValue();
    SmallVector<Attribute> positions;
    bool isPadded = false;
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    for (auto [dim, size] : llvm::enumerate(op.getPositionedShape())) {
      auto it = static_cast<int64_t>(dim) < rank ? padded.find(dims.leaderOf(value, dim)) : padded.end();
      isPadded |= it != padded.end();
      positions.push_back(builder.getDictionaryAttr(
          {builder.getNamedAttr("global", builder.getI64IntegerAttr(size)),
           builder.getNamedAttr("padded", builder.getI64IntegerAttr(it != padded.end() ? it->second : size)),
           builder.getNamedAttr("axes", builder.getArrayAttr({}))}));
    }
    if (isPadded)
      op->setAttr("positions", builder.getArrayAttr(positions));
  }

  ModuleOp module;
  int64_t shards;
  EqualDims dims;
  llvm::MapVector<Node, int64_t> padded; ///< new size, by the leader of the equal dims
};

struct PadPass : public dist::impl::PadPassBase<PadPass> {
  using PadPassBase::PadPassBase;

  void runOnOperation() override {
    std::unique_ptr<Policy> policy = makePolicy({mode, size, depth, sequenceParallel, sequenceMode, sequenceSize});
    if (!policy) {
      getOperation().emitError("unknown parallel mode '") << mode << "'; there are " << supportedModes();
      return signalPassFailure();
    }
    if (policy->vocabularyShards() > 1 && failed(Padder(getOperation(), policy->vocabularyShards()).run()))
      signalPassFailure();
  }
};
} // namespace
