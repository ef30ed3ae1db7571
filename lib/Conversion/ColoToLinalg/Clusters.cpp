//===- Clusters.cpp - which ops share a kernel -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Clusters.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "llvm/ADT/SmallSet.h"
#include <numeric>

using namespace mlir;
using namespace colo;

/// Rows and elements below which it does not pay to keep rows for threads.
static constexpr int64_t kFewRows = 16, kSmallKernel = 32768;

//===----------------------------------------------------------------------===//
// Loop nests
//===----------------------------------------------------------------------===//

static LoopNest reductionNest(ReduceOp reduce) {
  LoopNest nest;
  llvm::ArrayRef<int64_t> in = shapeOf(reduce.getInput());
  auto isReduced = [&](size_t d) { return llvm::is_contained(reduce.getDims(), static_cast<int64_t>(d)); };
  size_t lastReduced = 0, lastDim = 0;
  for (size_t d = 0; d < in.size(); ++d) {
    if (isReduced(d) && in[d] != 1)
      lastReduced = d;
    if (in[d] != 1)
      lastDim = d;
  }
  nest.column = !in.empty() && in[lastDim] != 1 && !isReduced(lastDim);
  // Kept dims (in a column kernel those before the last reduced dim), reduced dims, columns.
  llvm::SmallVector<size_t> rows, reduced, columns;
  for (size_t d = 0; d < in.size(); ++d)
    (isReduced(d) ? reduced : nest.column && d > lastReduced ? columns : rows).push_back(d);
  MLIRContext *context = reduce.getContext();
  nest.operand.resize(in.size());
  for (auto *dims : {&rows, &reduced, &columns})
    for (size_t d : *dims) {
      nest.operand[d] = getAffineDimExpr(nest.sizes.size(), context);
      nest.sizes.push_back(in[d]);
      nest.reduced.push_back(dims == &reduced);
    }
  for (size_t d = 0; d < in.size(); ++d)
    if (!isReduced(d))
      nest.result.push_back(nest.operand[d]);
  nest.rows = rows.size();
  return nest;
}

LoopNest colo::loopNestOf(Value anchor) {
  if (auto reduce = anchor.getDefiningOp<ReduceOp>())
    return reductionNest(reduce);
  LoopNest nest;
  nest.sizes.assign(shapeOf(anchor).begin(), shapeOf(anchor).end());
  nest.reduced.assign(nest.sizes.size(), false);
  for (size_t d = 0; d < nest.sizes.size(); ++d)
    nest.result.push_back(getAffineDimExpr(d, anchor.getContext()));
  nest.rows = nest.sizes.size();
  return nest;
}

//===----------------------------------------------------------------------===//
// Anchors
//===----------------------------------------------------------------------===//

Clustering::Clustering(Block &block, const KernelLimits &limits) : limits(limits) {
  requireOperands(block);
  cutExpressions(block);
  collectReductions(block);
  cluster(block);
  if (promoteShared(block))
    cluster(block);
  collectKernels();
  cutKernels();
}

void Clustering::collectKernels() {
  llvm::DenseMap<int, size_t> index;
  for (Value anchor : anchors) {
    int node = find(anchorNode[anchor]);
    auto [it, isNew] = index.try_emplace(node, kernels.size());
    if (isNew)
      kernels.emplace_back();
    Kernel &kernel = kernels[it->second];
    kernel.anchors.push_back(anchor);
    kernel.column = nodes[node].column;
  }
  for (Kernel &kernel : kernels) {
    kernel.rows = loopNestOf(kernel.anchors.front()).rows;
    for (Value anchor : kernel.anchors)
      kernel.rows = std::min(kernel.rows, loopNestOf(anchor).rows);
  }
}

/// Whether only products and kernels read the value, which may then have any strides.
static bool isReadWhereItIs(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) {
    auto view = dyn_cast<ViewOpInterface>(user);
    return isa<EinsumOp, rt::LaunchOp>(user) || (view && view.takesAnyStrides() && isReadWhereItIs(user->getResult(0)));
  });
}

static bool takesViewsInLoop(dist::LoopOp loop, OpOperand &operand) {
  BlockArgument inside = loop.block().getArgument(operand.getOperandNumber() + 1);
  return llvm::is_contained(loop.invariantArguments(), inside) && isReadWhereItIs(inside);
}

void Clustering::requireOperands(Block &block) {
  // Users first: whether a slice stays a view depends on what else needs its operand.
  for (Operation &op : llvm::reverse(block)) {
    if (auto embedding = dyn_cast<EmbeddingOp>(op))
      require(embedding.getTable(), /*takesViews=*/true);
    if (auto broadcast = dyn_cast<BroadcastOp>(op); broadcast && !op.use_empty())
      requireRepeated(broadcast);
    if (isKernelOp(&op))
      continue;
    bool takesViews = isa<EinsumOp, OwnKernelOpInterface, rt::LaunchOp>(op);
    auto loop = dyn_cast<dist::LoopOp>(op);
    for (OpOperand &operand : op.getOpOperands())
      if (isa<RankedTensorType>(operand.get().getType()))
        require(operand.get(), takesViews || (loop && takesViewsInLoop(loop, operand)));
  }
}

/// What a broadcast repeats along outer dims would be computed again for each repetition: a table of functions of the
/// position is worth having. Repeated along the innermost dim it leaves the loop by itself.
void Clustering::requireRepeated(BroadcastOp broadcast) {
  Value value = broadcast.getInput();
  while (isViewOp(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  if (!isKernelOp(value.getDefiningOp()) || isa<ReduceOp>(value.getDefiningOp()) || required.contains(value))
    return;
  llvm::ArrayRef<int64_t> shape = shapeOf(broadcast.getResult());
  int64_t innermost = static_cast<int64_t>(shape.size()) - 1;
  while (innermost >= 0 && shape[innermost] == 1)
    --innermost;
  if (2 * elementsOf(value) > elementsOf(broadcast.getResult()) || !llvm::is_contained(broadcast.getDims(), innermost))
    return;
  auto isMade = [&](Value v) {
    return !isKernelOp(v.getDefiningOp()) || isa<ReduceOp>(v.getDefiningOp()) || required.contains(v);
  };
  if (expressionWeight(value, isMade) >= kDear)
    required.insert(value);
}

/// Whether slices of `value` read most of it, so that it is worth having whole.
static bool isMostlySliced(Value value) {
  int64_t read = 0;
  for (Operation *user : value.getUsers())
    if (isa<SliceOp>(user))
      read += elementsOf(user->getResult(0));
  return 2 * read >= elementsOf(value);
}

void Clustering::require(Value value, bool takesViews) {
  Operation *op = value.getDefiningOp();
  if (!isKernelOp(op) || required.contains(value))
    return;
  auto inMemory = [&](Value v) { return !isViewOp(v.getDefiningOp()) || required.contains(v); };
  bool stays = false;
  if (isViewOp(op)) {
    // Follow the views down: all must be even strides over one base, and row-major unless the user takes any strides.
    std::optional<StridedView> view = stridedView(value, inMemory);
    stays = view && (takesViews ||
                     (view->strides == rowMajorStrides(shapeOf(value)) && elementsOf(value) == elementsOf(view->base)));
    if (isa<SliceOp>(op) && isKernelOp(op->getOperand(0).getDefiningOp()) && !isMostlySliced(op->getOperand(0)))
      stays = false;
  }
  if (stays) {
    hostViews.insert(value);
    require(op->getOperand(0), takesViews);
    return;
  }
  required.insert(value);
  hostViews.erase(value);
}

void Clustering::collectReductions(Block &block) {
  for (Operation &op : block)
    if (isKernelOp(&op) && !op.use_empty() && (required.contains(op.getResult(0)) || isa<ReduceOp>(op)))
      anchors.insert(op.getResult(0));
}

void Clustering::walkLeaves(Value anchor, LeafCallback callback, TableCallback tableCallback) const {
  llvm::DenseMap<Value, llvm::SmallVector<ElementIndices, 1>> seen;
  LoopNest nest = loopNestOf(anchor);
  auto reduce = anchor.getDefiningOp<ReduceOp>();
  // Depth first, operands in order; not recursive, because chains of ops may be long.
  llvm::SmallVector<ElementAccess> worklist;
  worklist.push_back(reduce ? ElementAccess{reduce.getInput(), nest.operand, {}}
                            : ElementAccess{anchor, nest.result, {}});
  bool isRoot = !reduce;
  while (!worklist.empty()) {
    ElementAccess next = worklist.pop_back_val();
    llvm::SmallVector<ElementIndices, 1> &known = seen[next.value];
    if (llvm::is_contained(known, next.indices))
      continue;
    known.push_back(next.indices);
    if (!std::exchange(isRoot, false) && isLeaf(next.value)) {
      callback(next.value, next.indices);
      continue;
    }
    if (auto embedding = next.value.getDefiningOp<EmbeddingOp>())
      tableCallback(embedding.getTable());
    llvm::SmallVector<ElementAccess> accesses = operandAccesses(next.value.getDefiningOp(), next.indices);
    llvm::append_range(worklist, llvm::reverse(accesses));
  }
}

//===----------------------------------------------------------------------===//
// Values that several kernels need
//===----------------------------------------------------------------------===//

namespace {
/// What computing a value anew costs: tensors of its size read, and whether it draws random numbers.
struct Recomputation {
  llvm::SmallDenseSet<Value, 4> reads;
  bool random = false;
};
} // namespace

static Recomputation recomputationOf(Value value, llvm::function_ref<bool(Value)> isLeaf) {
  Recomputation result;
  llvm::DenseSet<Value> seen;
  llvm::SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (next != value && isLeaf(next)) {
      if (2 * elementsOf(next) >= elementsOf(value))
        result.reads.insert(next);
      continue;
    }
    result.random |= isa<RandomOpInterface>(next.getDefiningOp());
    llvm::append_range(worklist, next.getDefiningOp()->getOperands());
  }
  return result;
}

/// Makes anchors of values that two kernels read and that cost more to compute twice than to write and read.
bool Clustering::promoteShared(Block &block) {
  llvm::DenseMap<Value, llvm::SmallSet<int, 4>> readers;
  llvm::SmallVector<Value> promoted;
  for (Operation &op : llvm::reverse(block)) {
    if (!isKernelOp(&op) || op.use_empty())
      continue;
    Value value = op.getResult(0);
    llvm::SmallSet<int, 4> users;
    if (isAnchor(value)) {
      users.insert(find(anchorNode[value]));
    } else {
      users = readers[value];
      Recomputation cost = recomputationOf(value, [&](Value v) { return isLeaf(v); });
      bool dear = cost.reads.size() >= 2 || (cost.random && !cost.reads.empty());
      if (users.size() >= 2 && dear && !isViewOp(&op) && !isa<BroadcastOp>(op)) {
        promoted.push_back(value);
        // Readers of what it reads: a kernel of its own.
        users.clear();
        users.insert(-static_cast<int>(promoted.size()));
      }
    }
    for (Value operand : op.getOperands())
      for (int user : users)
        readers[operand].insert(user);
  }
  if (promoted.empty())
    return false;
  required.insert(promoted.begin(), promoted.end());
  anchors.clear();
  collectReductions(block);
  return true;
}

//===----------------------------------------------------------------------===//
// The graph of kernels and host ops
//===----------------------------------------------------------------------===//

int Clustering::find(int node) const {
  while (parent[node] != node)
    node = parent[node] = parent[parent[node]];
  return node;
}

/// The node that has to run before `value` can be read; -1 for block arguments.
int Clustering::nodeOfValue(Value value) const {
  while (!anchorNode.contains(value) && isViewOp(value.getDefiningOp()))
    value = value.getDefiningOp()->getOperand(0);
  auto it = anchorNode.find(value);
  if (it != anchorNode.end())
    return it->second;
  auto host = hostNode.find(value.getDefiningOp());
  return host == hostNode.end() ? -1 : host->second;
}

void Clustering::buildGraph(Block &block) {
  nodes.clear();
  edges.clear();
  sources.clear();
  refused.clear();
  anchorNode.clear();
  hostNode.clear();
  auto addEdge = [&](int from, int to) {
    if (from >= 0 && from != to)
      nodes[from].successors.insert(to);
  };
  int lastOrdered = -1;
  for (Operation &op : block) {
    int node = nodes.size();
    if (!isKernelOp(&op)) {
      nodes.emplace_back();
      hostNode[&op] = node;
      for (Value operand : op.getOperands())
        addEdge(nodeOfValue(operand), node);
      // Ops with effects keep their order.
      if (!isMemoryEffectFree(&op)) {
        addEdge(lastOrdered, node);
        lastOrdered = node;
      }
      continue;
    }
    Value value = op.getResult(0);
    if (!isAnchor(value))
      continue;
    nodes.emplace_back();
    nodes[node].anchors.push_back(value);
    nodes[node].column = loopNestOf(value).column;
    anchorNode[value] = node;
    auto addLeaf = [&](Value leaf, llvm::ArrayRef<AffineExpr> indices) {
      size_t same = 0;
      while (same < indices.size() && indices[same] == getAffineDimExpr(same, value.getContext()))
        ++same;
      edges[value].push_back({leaf, same, /*isTable=*/false});
    };
    walkLeaves(value, addLeaf, [&](Value table) { edges[value].push_back({table, 0, /*isTable=*/true}); });
    llvm::MapVector<int, Source> made;
    for (const Edge &edge : edges[value])
      if (int maker = nodeOfValue(edge.leaf); maker >= 0) {
        Source &source = made.try_emplace(maker, Source{maker, edge.sameRows, edge.isTable}).first->second;
        source.sameRows = std::min(source.sameRows, edge.sameRows);
        source.isTable |= edge.isTable;
        addEdge(maker, node);
      }
    for (const auto &entry : made)
      sources[value].push_back(entry.second);
  }
  parent.resize(nodes.size());
  std::iota(parent.begin(), parent.end(), 0);
}

/// A path from one node to another through a third.
bool Clustering::hasIndirectPath(int from, int to) const {
  llvm::DenseSet<int> seen;
  llvm::SmallVector<int> worklist;
  for (int next : nodes[from].successors)
    if (int node = find(next); node != to && node != from && seen.insert(node).second)
      worklist.push_back(node);
  while (!worklist.empty()) {
    int node = worklist.pop_back_val();
    if (node == to)
      return true;
    for (int next : nodes[node].successors)
      if (int target = find(next); seen.insert(target).second)
        worklist.push_back(target);
  }
  return false;
}

/// Rows that all anchors of both nodes share; false if sharing them would cost parallelism or is impossible.
bool Clustering::compatibleRows(const Node &a, const Node &b, size_t &rows) const {
  std::optional<llvm::SmallVector<int64_t>> fixed;
  llvm::SmallVector<llvm::SmallVector<int64_t>> shapes;
  size_t longest = 0;
  int64_t largest = 0;
  rows = SIZE_MAX;
  for (const Node *node : {&a, &b})
    for (Value anchor : node->anchors) {
      LoopNest nest = loopNestOf(anchor);
      llvm::SmallVector<int64_t> leading(llvm::ArrayRef(nest.sizes).take_front(nest.rows));
      if (anchor.getDefiningOp<ReduceOp>()) {
        if (fixed && *fixed != leading)
          return false;
        fixed = leading;
      } else {
        largest = std::max(largest, elementsOf(anchor));
      }
      rows = std::min(rows, leading.size());
      longest = std::max(longest, leading.size());
      shapes.push_back(leading);
    }
  if (fixed && rows != fixed->size())
    return false;
  for (auto &shape : shapes)
    if (llvm::ArrayRef(shape).take_front(rows) != llvm::ArrayRef(shapes.front()).take_front(rows))
      return false;
  int64_t rowCount = 1;
  for (int64_t size : llvm::ArrayRef(shapes.front()).take_front(rows))
    rowCount *= size;
  return rows == longest || rowCount >= kFewRows || largest <= kSmallKernel;
}

/// The parameter whose gradient buffer a value is added to, or nothing.
static std::pair<Value, Attribute> gradientBuffer(Value value) {
  for (Operation *user : value.getUsers())
    if (auto grad = dyn_cast<GradOp>(user)) {
      if (auto ref = grad.getParam().getDefiningOp<ParamRefOp>())
        return {Value(), ref.getParamAttr()};
      return {grad.getParam(), Attribute()};
    }
  return {};
}

/// Two results of one kernel never go to one buffer: the kernel's stores may be reordered.
static bool shareGradientBuffer(llvm::ArrayRef<Value> some, llvm::ArrayRef<Value> others) {
  for (Value value : some) {
    auto buffer = gradientBuffer(value);
    if (!buffer.first && !buffer.second)
      continue;
    for (Value other : others)
      if (gradientBuffer(other) == buffer)
        return true;
  }
  return false;
}

bool Clustering::tryMerge(int a, int b) {
  a = find(a);
  b = find(b);
  if (a == b)
    return true;
  // What other nodes do since can only add to what stands between two nodes.
  auto state = std::make_pair(nodes[a].merges, nodes[b].merges);
  auto [it, isNew] = refused.try_emplace({a, b}, state);
  if (!isNew && it->second == state)
    return false;
  if (merge(a, b))
    return true;
  it->second = state;
  return false;
}

bool Clustering::merge(int a, int b) {
  if (shareGradientBuffer(nodes[a].anchors, nodes[b].anchors))
    return false;
  if (nodes[a].anchors.empty() || nodes[b].anchors.empty() || nodes[a].column != nodes[b].column)
    return false;
  size_t rows;
  if (nodes[a].column) {
    // One loop nest for all: the same loops and no value passed on.
    LoopNest first = loopNestOf(nodes[a].anchors.front()), second = loopNestOf(nodes[b].anchors.front());
    if (first.sizes != second.sizes || first.reduced != second.reduced)
      return false;
    rows = SIZE_MAX;
  } else if (!compatibleRows(nodes[a], nodes[b], rows)) {
    return false;
  }
  for (auto [reader, source] : {std::pair(a, b), std::pair(b, a)})
    for (Value anchor : nodes[reader].anchors)
      for (const Source &from : sources[anchor])
        if ((from.isTable || from.sameRows < rows) && find(from.maker) == source)
          return false;
  if (hasIndirectPath(a, b) || hasIndirectPath(b, a))
    return false;
  parent[b] = a;
  nodes[a].successors.insert(nodes[b].successors.begin(), nodes[b].successors.end());
  llvm::append_range(nodes[a].anchors, nodes[b].anchors);
  ++nodes[a].merges;
  nodes[b] = Node();
  return true;
}

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

/// Joins anchors with the kernels whose values they read, nearest first.
void Clustering::mergeConsumers() {
  for (Value anchor : anchors)
    for (const Edge &edge : llvm::reverse(edges[anchor]))
      if (auto it = anchorNode.find(edge.leaf); it != anchorNode.end())
        tryMerge(it->second, anchorNode[anchor]);
}

/// Joins kernels that read the same large tensor in the same rows.
void Clustering::mergeSiblings() {
  llvm::MapVector<Value, llvm::SmallVector<int>> readers;
  for (Value anchor : anchors)
    for (const Edge &edge : edges[anchor]) {
      LoopNest nest = loopNestOf(anchor);
      int64_t points = std::accumulate(nest.sizes.begin(), nest.sizes.end(), int64_t(1), std::multiplies<>());
      if (!edge.isTable && 2 * elementsOf(edge.leaf) >= points &&
          (nest.column || edge.sameRows >= std::min<size_t>(nest.rows, 1)))
        readers[edge.leaf].push_back(anchorNode[anchor]);
    }
  for (auto &[leaf, users] : readers)
    for (size_t i = 0; i < users.size(); ++i)
      for (size_t j = i + 1; j < users.size(); ++j)
        tryMerge(users[i], users[j]);
}

void Clustering::cluster(Block &block) {
  buildGraph(block);
  mergeConsumers();
  mergeSiblings();
}
