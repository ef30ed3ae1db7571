//===- ExpandSumma.cpp - products in rounds of broadcasts and reductions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SUMMA (van de Geijn and Watts, 1997), on either form. A tagged product has
// one factor, its path, along which operands are gathered or the result is
// scattered, each over a group of n members. The members' parts of the path are
// the rounds: in round t member t of each group sends its part of what would be
// gathered, and becomes the owner of the sum of what would be scattered. Three forms follow
// from where the path is:
//   AB    the path is contracted: both operands travel, products add up in place
//   ABt   the path is a factor of B and the result: B travels, the result's parts are reduced
//   AtB   the path is a factor of A and the result: A travels, the result's parts are reduced
//
// Products that gather the same value in the same place of a program and do not
// need each other are one group: their rounds are one loop, and what they share
// travels once.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace colo::dist {
#define GEN_PASS_DEF_EXPANDSUMMAPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

/// The type of one of `parts` equal parts of `dim`, which is whole.
static RankedTensorType partOf(RankedTensorType type, int64_t dim, int64_t parts) {
  SmallVector<int64_t> shape(type.getShape());
  shape[dim] /= parts;
  return RankedTensorType::get(shape, type.getElementType(), type.getEncoding());
}

namespace {
/// A tagged product with its path.
struct Product {
  EinsumOp op;
  char path;
  int64_t rounds;
  AllGatherOp gathers[2];  ///< of the operands, along the path; null where the operand is at hand
  ReduceScatterOp scatter; ///< of the result, along the path; null where the path is contracted

  bool shares(Product &other) {
    return llvm::any_of(gathers, [&](AllGatherOp gather) {
      return gather && (gather == other.gathers[0] || gather == other.gathers[1]);
    });
  }
  Operation *last() { return scatter ? scatter.getOperation() : op.getOperation(); }
};

/// Finds the path of a product; nullopt if nothing travels along one.
std::optional<Product> findProduct(EinsumOp op, const Mesh &mesh) {
  EinsumSpec spec = parseEinsumSpec(op.getSpec());
  Product product{op, 0, 0, {}, {}};
  auto join = [&](StringRef letters, int64_t dim, ArrayAttr axes) {
    int64_t members = 1;
    for (auto axis : axes.getAsRange<StringAttr>())
      members *= mesh.sizes[*mesh.find(axis)];
    if (!product.path) {
      product.path = letters[dim];
      product.rounds = members;
    }
    return product.path == letters[dim] && product.rounds == members;
  };
  if (op.getResult().hasOneUse())
    if (auto scatter = dyn_cast<ReduceScatterOp>(*op.getResult().user_begin()))
      if (join(spec.result, scatter.getDim(), scatter.getAxes()))
        product.scatter = scatter;
  StringRef letters[] = {spec.lhs, spec.rhs};
  for (unsigned i : {0, 1})
    if (auto gather = op->getOperand(i).getDefiningOp<AllGatherOp>())
      if (join(letters[i], gather.getDim(), gather.getAxes()))
        product.gathers[i] = gather;
  bool isExpandable = product.path && (product.scatter || !spec.result.contains(product.path));
  return isExpandable ? std::optional(product) : std::nullopt;
}

/// Products whose rounds are one loop, in the order of the program.
using Group = SmallVector<Product>;

/// What from the first product of a group up to `end` needs one of its results.
llvm::SetVector<Operation *> dependents(Group &group, Operation *end) {
  llvm::SetVector<Operation *> found;
  for (Operation *op = group.front().op; op != end; op = op->getNextNode()) {
    auto needsGroup = [&](Value operand) {
      Operation *maker = operand.getDefiningOp();
      return found.contains(maker) || llvm::any_of(group, [&](Product &p) { return p.op.getOperation() == maker; });
    };
    if (llvm::any_of(op->getOperands(), needsGroup))
      found.insert(op);
  }
  return found;
}

/// Whether `product` can be computed in the rounds of `group`: it needs none of its results, and what lies between and
/// does may be computed after it.
bool canJoin(Group &group, Product &product) {
  if (llvm::none_of(group, [&](Product &member) { return member.shares(product); }) ||
      group.front().rounds != product.rounds || group.front().op->getBlock() != product.op->getBlock())
    return false;
  llvm::SetVector<Operation *> after = dependents(group, product.op);
  auto isReady = [&](Value operand) { return !after.contains(operand.getDefiningOp()); };
  return llvm::all_of(product.op->getOperands(), isReady) &&
         llvm::none_of(group,
                       [&](Product &p) { return llvm::is_contained(product.op->getOperands(), p.op.getResult()); }) &&
         llvm::all_of(after, [](Operation *op) { return isPure(op) || isa<GradOp>(op); });
}

/// Emits the rounds of one group before its last product.
class Rounds {
public:
  explicit Rounds(Group &group) : group(group), builder(group.back().op) {}

  void emit() {
    // What needs an earlier product of the group is computed after all of it.
    Operation *end = group.back().op;
    llvm::SetVector<Operation *> after = dependents(group, end);
    for (Operation *op : after) {
      op->moveAfter(end);
      end = op;
    }
    SmallVector<Value> sums(group.size());
    for (round = 0; round < group.front().rounds; ++round) {
      parts.clear();
      for (auto &&[product, sum] : llvm::zip(group, sums))
        sum = emitRound(product, sum);
    }
    for (auto &&[product, sum] : llvm::zip(group, sums)) {
      product.last()->getResult(0).replaceAllUsesWith(sum);
      if (product.scatter)
        product.scatter.erase();
      product.op.erase();
    }
  }

private:
  /// Adds this round's part of the product to `sum`, or makes it the root's part.
  Value emitRound(Product &product, Value sum) {
    EinsumOp op = product.op;
    EinsumSpec spec = parseEinsumSpec(op.getSpec());
    Value lhs = operand(product, 0, spec.lhs), rhs = operand(product, 1, spec.rhs);
    if (!product.scatter)
      return builder.create<EinsumOp>(op.getLoc(), op.getType(), lhs, rhs, sum, op.getSpecAttr());
    ReduceScatterOp scatter = product.scatter;
    RankedTensorType type = partOf(op.getType(), scatter.getDim(), product.rounds);
    Value part = builder.create<EinsumOp>(op.getLoc(), type, lhs, rhs, Value(), op.getSpecAttr());
    return builder.create<dist::ReduceOp>(op.getLoc(), scatter.getType(), part, sum, scatter.getKind(),
                                          scatter.getDim(), round, scatter.getMesh(), scatter.getAxes());
  }

  /// The round's part of an operand along the path.
  Value operand(Product &product, unsigned index, StringRef letters) {
    EinsumOp op = product.op;
    Value whole = op->getOperand(index);
    size_t dim = letters.find(product.path);
    if (dim == StringRef::npos)
      return whole;
    Value &part = parts[{whole, dim}];
    if (part)
      return part;
    RankedTensorType type = partOf(typeOf(whole), static_cast<int64_t>(dim), product.rounds);
    if (AllGatherOp gather = product.gathers[index])
      return part = builder.create<dist::BroadcastOp>(op.getLoc(), type, gather.getInput(), gather.getDim(), round,
                                                      gather.getMesh(), gather.getAxes());
    SmallVector<int64_t> offsets(type.getRank()), strides(type.getRank(), 1);
    offsets[dim] = round * type.getDimSize(dim);
    return part = builder.create<SliceOp>(op.getLoc(), type, whole, offsets, strides);
  }

  Group &group;
  OpBuilder builder;
  int64_t round = 0;
  llvm::DenseMap<std::pair<Value, size_t>, Value> parts; ///< of operands along a dim, in this round
};

/// Gives each group but the first user its own copy of what it gathers, so that nothing gathered outlives its group.
void ownGathers(Group &group, llvm::DenseSet<Operation *> &taken) {
  llvm::MapVector<Operation *, Operation *> copies;
  for (Product &product : group)
    for (AllGatherOp &gather : product.gathers) {
      if (!gather)
        continue;
      Operation *&copy = copies[gather];
      if (!copy)
        copy = taken.insert(gather).second ? gather.getOperation() : OpBuilder(group.front().op).clone(*gather);
      product.op->replaceUsesOfWith(gather.getResult(), copy->getResult(0));
      gather = cast<AllGatherOp>(copy);
    }
}

struct ExpandSummaPass : public dist::impl::ExpandSummaPassBase<ExpandSummaPass> {
  using ExpandSummaPassBase::ExpandSummaPassBase;

  void runOnOperation() override {
    if (algorithm != "loop" && algorithm != "reference") {
      getOperation().emitError("unknown algorithm '") << algorithm << "'; legal are loop and reference";
      return signalPassFailure();
    }
    std::optional<Mesh> mesh = findMesh(getOperation());
    std::vector<Group> groups;
    getOperation().walk([&](EinsumOp op) {
      if (op->removeAttr(kAlgorithmAttr) && mesh)
        collect(op, *mesh, groups);
    });
    llvm::DenseSet<Operation *> taken;
    for (Group &group : groups)
      ownGathers(group, taken);
    if (algorithm == "loop")
      expand(groups);
  }

private:
  static void collect(EinsumOp op, const Mesh &mesh, std::vector<Group> &groups) {
    std::optional<Product> product = findProduct(op, mesh);
    if (!product)
      return;
    if (groups.empty() || !canJoin(groups.back(), *product))
      groups.emplace_back();
    groups.back().push_back(*product);
  }

  static void expand(MutableArrayRef<Group> groups) {
    llvm::SetVector<Operation *> gathers;
    for (Group &group : groups) {
      for (Product &product : group)
        for (AllGatherOp gather : product.gathers)
          if (gather)
            gathers.insert(gather);
      Rounds(group).emit();
    }
    for (Operation *gather : gathers)
      if (gather->use_empty())
        gather->erase();
  }
};
} // namespace
