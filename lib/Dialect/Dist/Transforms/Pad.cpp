//===- Pad.cpp - vocabularies as multiples of their shards ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallSet.h"

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

/// What the elements past the true size of a padded dim hold.
class Padding {
public:
  /// Whether they are 0. Parameters start so, and what lies here keeps them so.
  bool isZero(Value value, int64_t dim) { return answer(zero, value, dim, &Padding::findZero); }

  /// Whether they hold what the others hold: nothing that is not in the true part.
  bool isUniform(Value value, int64_t dim) { return answer(uniform, value, dim, &Padding::findUniform); }

private:
  using Answers = llvm::DenseMap<Node, bool>;

  /// No is always safe, and what is said at the end of a chain too long to follow.
  bool answer(Answers &known, Value value, int64_t dim, bool (Padding::*find)(Value, int64_t)) {
    constexpr int kFarEnough = 500;
    Node node{value.getAsOpaquePointer(), dim};
    if (auto it = known.find(node); it != known.end())
      return it->second;
    if (depth == kFarEnough)
      return false;
    ++depth;
    bool found = (this->*find)(value, dim);
    --depth;
    return known[node] = found;
  }

  bool findZero(Value value, int64_t dim) {
    if (auto arg = dyn_cast<BlockArgument>(value))
      return static_cast<bool>(
          cast<func::FuncOp>(arg.getOwner()->getParentOp()).getArgAttr(arg.getArgNumber(), kParamArgAttr));
    Operation *op = value.getDefiningOp();
    int64_t last = cast<RankedTensorType>(value.getType()).getRank() - 1;
    // Classes are masked, and so are ids that could look up a row of padding.
    if (isa<ParamRefOp>(op) || (isa<CrossEntropyGradOp>(op) && dim == last) || (isa<EmbeddingGradOp>(op) && dim == 0))
      return true;
    if (auto constant = dyn_cast<ConstantOp>(op))
      return constant.getValue().isZero();
    auto rule = dyn_cast<ShardingRuleOpInterface>(op);
    if (!rule)
      return false;
    // Linear in an operand that is 0 there: 0, unless another one could be infinite.
    FactorMap map = rule.getFactorMap();
    std::optional<int> factor = factorOf(map, cast<OpResult>(value), dim);
    if (!factor)
      return false;
    bool any = false;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      int64_t at = dimOfFactor(map.operands[i], *factor);
      bool isLinear = map.linearOperands >> i & 1;
      bool isZeroHere = at >= 0 && isLinear && isZero(operand, at);
      any |= isZeroHere;
      bool mayStay = map.allPartialAlike ? !isLinear : at < 0 || isUniform(operand, at);
      if (!isZeroHere && !mayStay)
        return false;
    }
    return any;
  }

  bool findUniform(Value value, int64_t dim) {
    Operation *op = value.getDefiningOp();
    auto rule = dyn_cast_or_null<ShardingRuleOpInterface>(op);
    if (!rule || isa<PositionalOpInterface>(op))
      return false;
    FactorMap map = rule.getFactorMap();
    std::optional<int> factor = factorOf(map, cast<OpResult>(value), dim);
    return factor && llvm::all_of(llvm::enumerate(op->getOperands()), [&](auto operand) {
             int64_t at = dimOfFactor(map.operands[operand.index()], *factor);
             return at < 0 || isUniform(operand.value(), at);
           });
  }

  static std::optional<int> factorOf(const FactorMap &map, OpResult result, int64_t dim) {
    const DimFactors &factors = map.results[result.getResultNumber()][dim];
    if (factors.size() != 1 || map.factors[factors.front()].kind != FactorKind::Parallel)
      return std::nullopt;
    return factors.front();
  }

  Answers zero, uniform;
  int depth = 0; ///< of the question being answered
};

class Padder {
public:
  Padder(ModuleOp module, int64_t shards) : module(module), shards(shards), dims(module) {
    module.walk([&](Operation *op) { findVocabularies(op); });
  }

  bool hasPadding() const { return !padded.empty(); }

  /// Makes primitive ops of those that normalise a padded dim: only their reductions then see the padding.
  bool decomposeNormalisations() {
    SmallVector<DecomposeOpInterface> ops;
    module.walk([&](DecomposeOpInterface op) {
      if (isa<SoftmaxOp, SoftmaxGradOp, LayerNormOp, LayerNormGradOp>(op) && isPadded(op->getOperand(0)))
        ops.push_back(op);
    });
    for (DecomposeOpInterface op : ops) {
      OpBuilder builder(op);
      op->replaceAllUsesWith(op.decompose(builder));
      op->erase();
    }
    return !ops.empty();
  }

  /// Replaces the padding by what changes nothing where an op would see it otherwise, and in gradients, so that
  /// parameters stay 0 there.
  bool mask() {
    SmallVector<Operation *> ops;
    SmallVector<EmbeddingOp> lookups;
    SmallVector<EmbeddingGradOp> scatters;
    module.walk([&](Operation *op) {
      if (isa<GradOp, colo::ReduceOp, EinsumOp, WeightedMeanOp>(op))
        ops.push_back(op);
      else if (auto lookup = dyn_cast<EmbeddingOp>(op))
        lookups.push_back(lookup);
      else if (auto scatter = dyn_cast<EmbeddingGradOp>(op))
        scatters.push_back(scatter);
    });
    Padding padding;
    bool changed = false;
    for (EmbeddingGradOp op : scatters)
      changed |= maskIds(op.getResult(), op.getIdsMutable());
    for (EmbeddingOp op : lookups)
      if (!padding.isZero(op.getTable(), 0))
        changed |= maskIds(op.getTable(), op.getIdsMutable());
    for (Operation *op : ops)
      changed |= isa<GradOp>(op) ? maskGradient(cast<GradOp>(op), padding) : maskContraction(op, padding);
    return changed;
  }

  LogicalResult run() {
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
  bool isPadded(Value value) {
    int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
    return llvm::any_of(llvm::seq<int64_t>(0, rank),
                        [&](int64_t dim) { return padded.contains(dims.leaderOf(value, dim)); });
  }

  /// Ids that are computed may lie past the true rows: such a one must not find a row of padding. Those of data are
  /// checked when they are read.
  bool maskIds(Value table, OpOperand &operand) {
    auto it = padded.find(dims.leaderOf(table, 0));
    int64_t rows = TensorBuilder::shapeOf(table).front();
    Value ids = operand.get();
    if (it == padded.end() || areBelow(ids, rows))
      return false;
    OpBuilder builder(operand.getOwner());
    TensorBuilder b(builder, operand.getOwner()->getLoc());
    Value isRow = b.compare(Predicate::LT, ids, static_cast<double>(rows));
    operand.set(b.selectOr(isRow, ids, static_cast<double>(it->second)));
    return true;
  }

  /// Whether ids are known to lie below `rows`: data, positions and numbers, and a choice of such.
  static bool areBelow(Value ids, int64_t rows) {
    if (auto arg = dyn_cast<BlockArgument>(ids)) {
      auto func = cast<func::FuncOp>(arg.getOwner()->getParentOp());
      auto classes = func.getArgAttrOfType<IntegerAttr>(arg.getArgNumber(), kClassesAttr);
      return classes && classes.getInt() <= rows;
    }
    Operation *op = ids.getDefiningOp();
    if (auto iota = dyn_cast<IotaOp>(op))
      return TensorBuilder::shapeOf(ids)[iota.getDim()] <= rows;
    if (auto constant = dyn_cast<ConstantOp>(op))
      return constant.getValue().convertToDouble() < static_cast<double>(rows);
    auto select = dyn_cast<SelectOp>(op);
    return select && areBelow(select.getLhs(), rows) && areBelow(select.getRhs(), rows);
  }

  bool maskGradient(GradOp op, Padding &padding) {
    bool changed = false;
    int64_t rank = cast<RankedTensorType>(op.getGradient().getType()).getRank();
    for (int64_t dim = 0; dim < rank; ++dim)
      if (padded.contains(dims.leaderOf(op.getParam(), dim)) && !padding.isZero(op.getGradient(), dim)) {
        replacePadding(op->getOpOperand(0), dim, 0.0);
        changed = true;
      }
    return changed;
  }

  /// A product that is summed over the padding is 0 there if one operand is, and the others are finite.
  bool maskContraction(Operation *op, Padding &padding) {
    FactorMap map = cast<ShardingRuleOpInterface>(op).getFactorMap();
    bool changed = false;
    for (auto [number, factor] : llvm::enumerate(map.factors)) {
      if (factor.kind != FactorKind::Sum && factor.kind != FactorKind::Max)
        continue;
      SmallVector<std::pair<unsigned, int64_t>> meets;
      for (auto [i, operand] : llvm::enumerate(op->getOperands()))
        for (auto [dim, factors] : llvm::enumerate(map.operands[i]))
          if (factors == DimFactors{static_cast<int>(number)} && padded.contains(dims.leaderOf(operand, dim)))
            meets.push_back({i, dim});
      bool isMax = factor.kind == FactorKind::Max;
      bool isZeroSomewhere = false;
      for (auto [i, dim] : meets) {
        bool isZero = !isMax && padding.isZero(op->getOperand(i), dim);
        isZeroSomewhere |= isZero;
        // The last one must be 0 if no other is.
        bool isLast = i == meets.back().first;
        if (isZero || (padding.isUniform(op->getOperand(i), dim) && (!isLast || isZeroSomewhere)))
          continue;
        replacePadding(op->getOpOperand(i), dim, isMax ? -std::numeric_limits<double>::infinity() : 0.0);
        isZeroSomewhere = true;
        changed = true;
      }
    }
    return changed;
  }

  static void replacePadding(OpOperand &operand, int64_t dim, double by) {
    OpBuilder builder(operand.getOwner());
    TensorBuilder b(builder, operand.getOwner()->getLoc());
    Value value = operand.get();
    ArrayRef<int64_t> shape = TensorBuilder::shapeOf(value);
    Value isTrue = b.compare(Predicate::LT, b.iota(shape, dim), static_cast<double>(shape[dim]));
    operand.set(b.selectOr(isTrue, value, by));
  }

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

  /// Whether padding in a factor of this op changes nothing: it stays in the padding, is looked up by no id, or is
  /// masked, by the op itself or by `mask`.
  static bool toleratesPadding(Operation *op, FactorKind kind) {
    if (isa<CrossEntropyOp, CrossEntropyGradOp, CorrectOp>(op))
      return true;
    if (kind == FactorKind::Parallel)
      return true;
    return isa<EinsumOp, colo::ReduceOp, WeightedMeanOp, EmbeddingOp, EmbeddingGradOp>(op);
  }

  LogicalResult check(Operation *op, const FactorMap &map) {
    // A dim that another tensor has as a part of a larger one cannot grow by itself.
    llvm::SmallSet<int, 4> joined;
    for (ArrayRef<TensorFactors> tensors :
         {ArrayRef<TensorFactors>(map.operands), ArrayRef<TensorFactors>(map.results)})
      for (const TensorFactors &tensor : tensors)
        for (const DimFactors &factors : tensor)
          if (factors.size() > 1)
            joined.insert(factors.begin(), factors.end());
    auto checkTensor = [&](Value value, const TensorFactors &tensor) -> LogicalResult {
      for (auto [dim, factors] : llvm::enumerate(tensor)) {
        auto it = padded.find(dims.leaderOf(value, dim));
        if (it == padded.end())
          continue;
        if (factors.size() == 1 && !joined.contains(factors.front()) &&
            toleratesPadding(op, map.factors[factors.front()].kind))
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
          {builder.getNamedAttr(position::kGlobal, builder.getI64IntegerAttr(size)),
           builder.getNamedAttr(position::kPadded, builder.getI64IntegerAttr(it != padded.end() ? it->second : size)),
           builder.getNamedAttr(position::kAxes, builder.getArrayAttr({}))}));
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
    int64_t shards = policy->vocabularyShards();
    if (shards == 1)
      return;
    // What a step adds has padded dims too, so each step finds them anew.
    auto padder = std::make_unique<Padder>(getOperation(), shards);
    for (auto step : {&Padder::decomposeNormalisations, &Padder::mask})
      if (padder->hasPadding() && ((*padder).*step)())
        padder = std::make_unique<Padder>(getOperation(), shards);
    if (padder->hasPadding() && failed(padder->run()))
      signalPassFailure();
  }
};
} // namespace
