//===- Search.cpp - the cheapest assignment for one op ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each axis may cut a factor that an operand's layout or the wanted result
// already cuts, the dim over which the mode scatters partial sums, any factor
// of a product, or nothing. All combinations are tried.
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

bool dist::isProductOrLookup(Operation *op) { return isa<CostOpInterface, EmbeddingOp, EmbeddingGradOp>(op); }

static bool hasOnlyParallelFactors(const FactorMap &map) {
  return llvm::all_of(map.factors, [](const Factor &f) { return f.kind == FactorKind::Parallel; });
}

Value dist::parameterBehind(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<ParamRefOp>(op))
      return value;
    if (!isa<TransposeOp, ReshapeOp, ConvertOp, ReshardOp>(op))
      return nullptr;
    value = op->getOperand(0);
  }
  auto arg = cast<BlockArgument>(value);
  bool isParameter = static_cast<bool>(
      cast<func::FuncOp>(arg.getOwner()->getParentOp()).getArgAttr(arg.getArgNumber(), kParamArgAttr));
  return isParameter ? value : nullptr;
}

static std::string nameOf(Value parameter) {
  if (auto ref = parameter.getDefiningOp<ParamRefOp>())
    return ref.getParam().str();
  auto arg = cast<BlockArgument>(parameter);
  auto name =
      cast<func::FuncOp>(arg.getOwner()->getParentOp()).getArgAttrOfType<StringAttr>(arg.getArgNumber(), kParamArgAttr);
  return name ? name.str() : "";
}

//===----------------------------------------------------------------------===//
// What users want
//===----------------------------------------------------------------------===//

/// The layout of the parameter whose gradient a value is, as it applies to the
/// value: views and sums in between are followed.
std::optional<Sharding> Partitioner::gradientLayout(Value value) {
  KnownLayouts known;
  return gradientLayout(value, 0, known);
}

std::optional<Sharding> Partitioner::gradientLayout(Value value, int depth, KnownLayouts &known) {
  auto [it, isNew] = known.try_emplace({value, depth});
  if (isNew) {
    std::optional<Sharding> found = findGradientLayout(value, depth, known);
    return known[{value, depth}] = found;
  }
  return it->second;
}

std::optional<Sharding> Partitioner::findGradientLayout(Value value, int depth, KnownLayouts &known) {
  for (Operation *user : value.getUsers()) {
    if (auto grad = dyn_cast<GradOp>(user)) {
      if (grad.getGradient() == value)
        return layoutOf(grad.getParam());
      continue;
    }
    auto rule = dyn_cast<ShardingRuleOpInterface>(user);
    if (!rule || depth == kFarLayout || user->getNumResults() != 1)
      continue;
    FactorMap map = rule.getFactorMap();
    if (!map.allPartialAlike || !hasOnlyParallelFactors(map))
      continue;
    std::optional<Sharding> after = gradientLayout(user->getResult(0), depth + 1, known);
    if (!after)
      continue;
    if (auto axes = factorAxes(*after, map, map.results[0], mesh))
      for (OpOperand &operand : user->getOpOperands())
        if (operand.get() == value)
          return operandSharding({*axes, {}, 0}, map, operand.getOperandNumber(), mesh);
  }
  return std::nullopt;
}

/// The layout that a value must have sooner or later, if one is known: that of
/// its parameter for a gradient, the boundary's for a value between layers.
std::optional<Sharding> Partitioner::wantedLayout(Value value) {
  KnownLayouts known;
  return wantedLayout(value, 0, known);
}

std::optional<Sharding> Partitioner::wantedLayout(Value value, int depth, KnownLayouts &known) {
  auto [it, isNew] = known.try_emplace({value, depth});
  if (isNew) {
    std::optional<Sharding> found = findWantedLayout(value, depth, known);
    return known[{value, depth}] = found;
  }
  return it->second;
}

std::optional<Sharding> Partitioner::findWantedLayout(Value value, int depth, KnownLayouts &known) {
  if (std::optional<Sharding> layout = gradientLayout(value))
    return layout;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto layers = dyn_cast<LayersOp>(user))
      if (use.getOperandNumber() < layers.getCarried().size())
        return policy.boundary(typeOf(value).getShape(), mesh);
    if (isa<func::ReturnOp>(user) && use.getOperandNumber() < signatures[user->getParentOp()].carried)
      return policy.boundary(typeOf(value).getShape(), mesh);
    auto rule = dyn_cast<ShardingRuleOpInterface>(user);
    if (!rule || depth == kFarLayout || user->getNumResults() != 1 || isProductOrLookup(user))
      continue;
    FactorMap map = rule.getFactorMap();
    if (!hasOnlyParallelFactors(map))
      continue;
    std::optional<Sharding> after = wantedLayout(user->getResult(0), depth + 1, known);
    if (!after)
      continue;
    if (auto axes = factorAxes(*after, map, map.results[0], mesh))
      return operandSharding({*axes, {}, 0}, map, use.getOperandNumber(), mesh);
  }
  return std::nullopt;
}

/// Whether all that is computed from dim `dim` of a value can work on a part of it.
bool Partitioner::survives(Value value, int dim, llvm::DenseSet<std::pair<Value, int>> &seen) {
  if (!seen.insert({value, dim}).second)
    return true;
  for (OpOperand &use : value.getUses()) {
    auto rule = dyn_cast<ShardingRuleOpInterface>(use.getOwner());
    if (!rule)
      continue;
    FactorMap map = rule.getFactorMap();
    const DimFactors &factors = map.operands[use.getOperandNumber()][dim];
    if (factors.empty() || !isCuttable(map.factors[factors.front()].kind))
      return false;
    if (isProductOrLookup(use.getOwner()))
      continue;
    for (auto [result, dims] : llvm::zip(use.getOwner()->getResults(), map.results))
      for (auto [resultDim, resultFactors] : llvm::enumerate(dims)) {
        auto *at = llvm::find(resultFactors, factors.front());
        if (at == resultFactors.end())
          continue;
        if (at != resultFactors.begin() || !survives(result, static_cast<int>(resultDim), seen))
          return false;
      }
  }
  return true;
}

bool Partitioner::factorSurvives(Operation *op, const FactorMap &map, int factor) {
  int64_t dim = dimOfFactor(map.results[0], factor);
  llvm::DenseSet<std::pair<Value, int>> seen;
  return dim < 0 || survives(op->getResult(0), static_cast<int>(dim), seen);
}

//===----------------------------------------------------------------------===//
// Candidates
//===----------------------------------------------------------------------===//

/// Partial sums pass through an op that is linear in them, if nothing else
/// reads them complete and the op does not make them larger.
bool Partitioner::carriesPartials(Operation *op, const FactorMap &map, Assignment &assignment) {
  if (!map.allPartialAlike || op->getNumResults() != 1)
    return false;
  std::optional<Axes> alike;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    if (!(map.linearOperands >> i & 1))
      continue;
    auto layout = layouts.find(operand);
    if (layout == layouts.end() || !layout->second.isPartial() || layout->second.kind != ReduceKind::Sum)
      return false;
    bool isOnlyUser = llvm::all_of(operand.getUsers(), [&](Operation *user) { return user == op; });
    if (!isOnlyUser || (alike && *alike != layout->second.partial) ||
        typeOf(op->getResult(0)).getNumElements() > typeOf(operand).getNumElements())
      return false;
    alike = layout->second.partial;
  }
  if (!alike)
    return false;
  assignment.carried = *alike;
  assignment.carriers = map.linearOperands;
  return true;
}

/// Gradients of repeated keys and values pass as sums through every op that is linear in them, products too: the ranks
/// would do the same work on the complete value.
void Partitioner::carryRepeated(Operation *op, const FactorMap &map, Options &options, Assignment &start) {
  if (!start.carried.empty() || op->getNumResults() != 1)
    return;
  uint32_t carriers = 0;
  Axes partial;
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    std::optional<Sharding> layout = layoutOf(operand);
    if (!layout || !layout->isPartial())
      continue;
    bool isAlike = !carriers || (map.allPartialAlike && partial == layout->partial);
    if (!(map.linearOperands >> i & 1) || !repeatedSums.contains(operand) || !isAlike)
      return;
    partial = layout->partial;
    carriers |= 1u << i;
  }
  if (!carriers || (map.allPartialAlike && carriers != map.linearOperands))
    return;
  for (int axis : partial)
    if (isProductOrLookup(op) && options[axis] != SmallVector<int>{kNoFactor})
      return;
  for (int axis : partial)
    options[axis] = {kNoFactor};
  start.carried = partial;
  start.carriers = carriers;
}

/// Follows the gradients of repeated keys and values, from attention to the products that end them.
void Partitioner::noteRepeated(Operation *op, const FactorMap &map, const Assignment &assignment) {
  bool isBegun = ringOf(map).has_value();
  bool isCarried = !isProductOrLookup(op) && llvm::any_of(llvm::enumerate(op->getOperands()), [&](auto operand) {
    return (assignment.carriers >> operand.index() & 1) && repeatedSums.contains(operand.value());
  });
  for (Value result : op->getResults()) {
    const Axes &partial = layouts[result].partial;
    if (!partial.empty() && (isBegun || isCarried) &&
        llvm::all_of(partial, [&](int axis) { return policy.mayRepeat(mesh.names[axis]); }))
      repeatedSums.insert(result);
  }
}

static void addOption(SmallVector<int> &factors, int factor) {
  if (!llvm::is_contained(factors, factor))
    factors.push_back(factor);
}

Partitioner::Options Partitioner::optionsOf(Operation *op, const FactorMap &map, const Assignment &start) {
  Options options(mesh.rank());
  auto addLayout = [&](const Sharding &layout, const TensorFactors &dims) {
    if (auto axes = factorAxes(layout, map, dims, mesh))
      for (auto [factor, cut] : llvm::enumerate(*axes))
        for (int axis : cut)
          if (isCuttable(map.factors[factor].kind))
            addOption(options[axis], static_cast<int>(factor));
  };
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    std::optional<Sharding> layout = layoutOf(operand);
    if (!layout)
      continue;
    addLayout(layout->complete(), map.operands[i]);
    for (int axis : layout->partial) {
      int dim = policy.scatterDim(typeOf(operand).getShape(), mesh.names[axis]);
      if (dim < 0 || map.operands[i][dim].empty())
        continue;
      int factor = map.operands[i][dim].front();
      if (isCuttable(map.factors[factor].kind))
        addOption(options[axis], factor);
    }
  }
  for (auto [i, result] : llvm::enumerate(op->getResults()))
    if (std::optional<Sharding> wanted = wantedLayout(result))
      addLayout(*wanted, map.results[i]);
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (llvm::is_contained(start.carried, axis))
      options[axis].clear();
    else if (isa<CostOpInterface>(op))
      for (auto [factor, f] : llvm::enumerate(map.factors))
        if (isCuttable(f.kind))
          addOption(options[axis], static_cast<int>(factor));
    options[axis].push_back(-1);
  }
  return options;
}

std::string Partitioner::describeLegalSizes(int64_t size, ArrayRef<int> axes) const {
  // A zigzag axis cuts each part in two once more, so that other group sizes say nothing of this mode's.
  if (int64_t unit = mesh.granule(axes); unit != mesh.groupSize(axes)) {
    int64_t below = size / unit * unit;
    return "legal are " + (below ? std::to_string(below) + ", " : "") + std::to_string(below + unit) +
           " and other multiples of " + std::to_string(unit);
  }
  std::vector<std::string> names;
  for (int axis : axes)
    names.push_back(mesh.names[axis]);
  return describeSizesThatDivide(size, names, policy.getOptions());
}

InFlightDiagnostic Partitioner::emitMisfit(Operation *op, int64_t size, ArrayRef<int> axes) const {
  Axes tensor, sequence;
  for (int axis : axes)
    (isSequenceAxis(mesh.names[axis], policy.getOptions()) ? sequence : tensor).push_back(axis);
  // What the sequence does not divide no tensor size makes legal.
  const Axes &blamed = tensor.empty() || size % mesh.granule(sequence) != 0 ? sequence : tensor;
  MLIRContext *context = op->getContext();
  return emitError(FusedLoc::get(context, {op->getLoc()}, mesh.nameAttr(context, blamed)));
}

InFlightDiagnostic Partitioner::emitIndivisible(Operation *op, Value tensor, int64_t dim, int64_t size,
                                                ArrayRef<int> axes) {
  InFlightDiagnostic diagnostic = emitMisfit(op, size, axes)
                                  << "dim " << dim << " of parameter '" << nameOf(tensor) << "', " << size
                                  << ", must be " << mesh.describeMultiple(axes);
  diagnostic.attachNote(tensor.getLoc()) << "the parameter is " << withoutEncoding(tensor.getType()) << "; "
                                         << describeLegalSizes(size, axes);
  return diagnostic;
}

/// The factor of an open parameter that the mode cuts over an axis; `chosen` are those of the axes before it.
FailureOr<int> Partitioner::chooseParameterFactor(Operation *op, const FactorMap &map, unsigned index, int axis,
                                                  const Options &chosen) {
  Value parameter = parameterBehind(op->getOperand(index));
  auto isCutElsewhere = [&](int factor) {
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (std::optional<Sharding> layout = layoutOf(operand))
        if (auto axes = factorAxes(*layout, map, map.operands[i], mesh))
          if (llvm::is_contained((*axes)[factor], axis))
            return true;
    return false;
  };
  auto survivesIt = [&](int factor) { return factorSurvives(op, map, factor); };
  auto axesBefore = [&](int factor) {
    Axes axes;
    for (int before = 0; before < axis; ++before)
      if (policy.cutsParameters(mesh.names[before]) && chosen[before] == SmallVector<int>{factor})
        axes.push_back(before);
    return axes;
  };
  auto partsBefore = [&](int factor) { return mesh.groupSize(axesBefore(factor)); };
  auto isShared = [&](int factor) {
    int64_t dim = dimOfFactor(map.results[0], factor);
    return dim >= 0 && isSharedHeads(op->getResult(0), dim);
  };
  int factor = policy.parameterFactor(
      {map, index, mesh.names[axis], mesh.sizes[axis], isCutElsewhere, survivesIt, partsBefore, isShared});
  if (factor == kRepeat)
    return kNoFactor;
  if (factor < 0)
    return op->emitError("parameter '") << nameOf(parameter) << "', " << withoutEncoding(parameter.getType())
                                        << ", has no dim that mesh axis \"" << mesh.names[axis] << "\" can cut";
  int64_t size = map.factors[factor].size;
  Axes axes = axesBefore(factor);
  axes.push_back(axis);
  if (size % mesh.groupSize(axes) != 0)
    return emitIndivisible(op, parameter, dimOfFactor(map.operands[index], factor), size, axes);
  return factor;
}

/// Where the mode cuts parameters over an axis, a product with a parameter, or
/// one that makes the gradient of a parameter, cuts what the parameter has cut.
LogicalResult Partitioner::restrictToParameters(Operation *op, const FactorMap &map, Options &options) {
  if (!isProductOrLookup(op))
    return success();
  auto restrictTo = [&](int axis, const Sharding &layout, const TensorFactors &dims) {
    auto axes = factorAxes(layout, map, dims, mesh);
    int factor = axes ? Assignment{*axes, {}, 0}.factorOf(axis) : kNoFactor;
    if (factor >= 0 && isCuttable(map.factors[factor].kind))
      options[axis] = {factor};
    bool isRepeated = factor < 0 && policy.mayRepeat(mesh.names[axis]);
    if (isRepeated)
      options[axis] = {kNoFactor};
    return factor >= 0 || isRepeated;
  };
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (!policy.cutsParameters(mesh.names[axis]))
      continue;
    bool isDone = false;
    for (unsigned i = 0; i < op->getNumOperands() && !isDone; ++i) {
      if (!parameterBehind(op->getOperand(i)))
        continue;
      if (std::optional<Sharding> layout = layoutOf(op->getOperand(i))) {
        isDone = restrictTo(axis, *layout, map.operands[i]);
        continue;
      }
      FailureOr<int> factor = chooseParameterFactor(op, map, i, axis, options);
      if (failed(factor))
        return failure();
      options[axis] = {*factor};
      isDone = true;
    }
    for (unsigned i = 0; i < op->getNumResults() && !isDone; ++i)
      if (std::optional<Sharding> layout = gradientLayout(op->getResult(i)))
        isDone = restrictTo(axis, *layout, map.results[i]);
  }
  return success();
}

static bool isSubset(ArrayRef<int> part, ArrayRef<int> axes) {
  return llvm::all_of(part, [&](int axis) { return llvm::is_contained(axes, axis); });
}

/// Several axes on one factor stand in the order that an operand has already: the longest list of them comes first,
/// since what is added to a cut is minor to it.
void Partitioner::orderAxes(Operation *op, const FactorMap &map, Assignment &assignment) {
  for (auto [factor, axes] : llvm::enumerate(assignment.factors)) {
    if (axes.size() < 2)
      continue;
    Axes ordered;
    for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
      std::optional<Sharding> layout = layoutOf(operand);
      auto known = layout ? factorAxes(*layout, map, map.operands[i], mesh) : std::nullopt;
      if (known && (*known)[factor].size() > ordered.size() && isSubset((*known)[factor], axes))
        ordered = (*known)[factor];
    }
    for (int axis : axes)
      if (!llvm::is_contained(ordered, axis))
        ordered.push_back(axis);
    axes = ordered;
  }
}

/// Nothing as well where an assignment is known to be worse than `best`.
std::optional<Partitioner::Candidate> Partitioner::evaluate(Operation *op, const FactorMap &map, Assignment assignment,
                                                            const Candidate *best) {
  orderAxes(op, map, assignment);
  Candidate candidate{assignment, {}, {}, {}};
  Cost &cost = candidate.cost;
  int64_t parts = 1;
  for (int axis = 0; axis < mesh.rank(); ++axis) {
    if (assignment.factorOf(axis) >= 0)
      parts *= mesh.sizes[axis];
    else
      ++cost.uncut;
  }
  if (auto product = dyn_cast<CostOpInterface>(op))
    cost.flops = static_cast<double>(product.getFlops()) / static_cast<double>(parts);
  // What follows only adds bytes.
  auto isWorse = [&] {
    return best && std::tie(cost.flops, cost.bytes) > std::tie(best->cost.flops, best->cost.bytes);
  };
  if (isWorse())
    return std::nullopt;
  if (auto positional = dyn_cast<PositionalOpInterface>(op); positional && positional.needsContiguousRows()) {
    const TensorFactors &rows = positional.getPositionedValue() == op->getResult(0) ? map.results[0] : map.operands[0];
    if (llvm::any_of(assignment.factors[rows.front().front()], [&](int axis) { return mesh.isZigzag(axis); }))
      return std::nullopt;
  }
  for (auto [i, operand] : llvm::enumerate(op->getOperands())) {
    std::optional<Sharding> sharding = operandSharding(assignment, map, i, mesh);
    if (!sharding)
      return std::nullopt;
    cost.bytes += bytesToReach(operand, *sharding, cost.collectives);
    candidate.operands.push_back(*sharding);
    if (isWorse())
      return std::nullopt;
  }
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    std::optional<Sharding> sharding = resultSharding(assignment, map, i, mesh);
    if (!sharding)
      return std::nullopt;
    candidate.results.push_back(*sharding);
    std::optional<Sharding> wanted = wantedLayout(result);
    if (!wanted)
      continue;
    // A gradient may stay partial; what is between layers may not.
    if (gradientLayout(result))
      for (int axis : sharding->partial)
        if (!wanted->uses(axis))
          wanted->addPartial(axis);
    if (const auto &plan = planner.plan(*sharding, *wanted, typeOf(result).getShape())) {
      cost.bytes += plan->elements * std::max(1u, typeOf(result).getElementTypeBitWidth() / 8);
      for (const Step &step : plan->steps)
        cost.collectives += step.kind != StepKind::AllSlice;
    }
  }
  return candidate;
}

LogicalResult Partitioner::partitionByFactors(Operation *op, ShardingRuleOpInterface rule) {
  FactorMap map = rule.getFactorMap();
  if (!isPinned(op) && isOpenComputation(op, map)) {
    openComputations.insert(op);
    return success();
  }
  FailureOr<std::optional<ProductPlan>> plan = planProduct(op, map);
  if (failed(plan))
    return failure();
  if (*plan)
    return partitionAsPlanned(op, map, **plan);
  Assignment start;
  start.factors.resize(map.factors.size());
  if (!isPinned(op))
    carriesPartials(op, map, start);
  Options options = optionsOf(op, map, start);
  if (failed(restrictToParameters(op, map, options)) || failed(restrictAttention(op, map, options)) ||
      failed(restrictToPin(op, map, options)))
    return failure();
  if (!isPinned(op))
    carryRepeated(op, map, options, start);
  std::optional<Candidate> best = search(op, map, options, start);
  if (!best)
    return op->emitError("cannot be cut as its parameters are");
  if (isSent(op))
    return partitionTransfer(op, best->results[0]);
  for (OpOperand &operand : op->getOpOperands())
    if (failed(setOperand(operand, best->operands[operand.getOperandNumber()])))
      return failure();
  for (auto [result, sharding] : llvm::zip(op->getResults(), best->results))
    settle(result, sharding);
  noteRepeated(op, map, best->assignment);
  if (llvm::none_of(mesh.names, [&](StringRef axis) { return policy.attentionCut(axis) == AttentionCut::Heads; }))
    return success();
  if (ringOf(map)) {
    bringHome(op, map, best->assignment);
  } else if (op->getNumResults() == 1) {
    Value result = op->getResult(0);
    if (std::optional<Sharding> heads = headsLayout(result, best->results[0]); heads && *heads != best->results[0])
      moveTo(result, *heads);
  }
  return success();
}

std::optional<Partitioner::Candidate> Partitioner::search(Operation *op, const FactorMap &map, const Options &options,
                                                          const Assignment &start) {
  std::optional<Candidate> best;
  auto tryAll = [&](auto &self, int axis, Assignment assignment) -> void {
    if (axis == mesh.rank()) {
      std::optional<Candidate> candidate = evaluate(op, map, std::move(assignment), best ? &*best : nullptr);
      if (candidate && (!best || candidate->cost < best->cost))
        best = std::move(candidate);
      return;
    }
    for (int factor : options[axis]) {
      Assignment next = assignment;
      if (factor >= 0)
        next.factors[factor].push_back(axis);
      if (factor >= 0 && map.factors[factor].kind == FactorKind::Ring)
        next.factors[ringOf(map)->rows].push_back(axis);
      self(self, axis + 1, std::move(next));
    }
  };
  tryAll(tryAll, 0, start);
  return best;
}
