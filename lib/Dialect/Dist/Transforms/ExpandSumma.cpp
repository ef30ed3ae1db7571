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

#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/IR/IRMapping.h"
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
///
/// With three or more they are a loop, a pipeline of three stages: while the product of a round is made, the parts of
/// the next one travel and the sums of the previous one are reduced. What fills and empties the pipeline stands before
/// and after it. Two rounds are just that and need no loop.
class Rounds {
public:
  explicit Rounds(Group &group) : group(group), builder(group.back().op), states(group.size()) {
    for (Product &product : group)
      for (unsigned i : {0, 1})
        if (product.gathers[i])
          received.insert({partKey(product, i), {product.gathers[i], product.op.getLoc()}});
  }

  void emit() {
    // What needs an earlier product of the group is computed after all of it.
    Operation *end = group.back().op;
    llvm::SetVector<Operation *> after = dependents(group, end);
    for (Operation *op : after) {
      op->moveAfter(end);
      end = op;
    }
    int64_t rounds = group.front().rounds;
    receive({0});
    if (rounds > 2) {
      multiply({0}, parts);
      receive({1});
      emitLoop(rounds - 2);
      reduce({rounds - 2});
      multiply({rounds - 1}, parts);
      reduce({rounds - 1});
    } else {
      for (int64_t round = 0; round < rounds; ++round) {
        if (round)
          receive({round});
        multiply({round}, parts);
        reduce({round});
      }
    }
    for (auto &&[product, state] : llvm::zip(group, states)) {
      Value result = product.last()->getResult(0);
      TensorBuilder narrowing(builder, result.getLoc());
      result.replaceAllUsesWith(narrowing.convertLike(state.sum, result));
      if (product.scatter)
        product.scatter.erase();
      product.op.erase();
    }
  }

private:
  /// An operand along its path, by the value that is whole and the dim.
  using PartKey = std::pair<Value, int64_t>;
  using Parts = llvm::MapVector<PartKey, Value>;
  struct Travel {
    AllGatherOp gather;
    Location loc; ///< of the first product that needs it
  };
  /// The number of a round, in a loop with that of the loop's round added.
  struct Number {
    int64_t first;
    Value round = {};
  };
  /// How far a product is.
  struct State {
    Value sum;  ///< the result so far
    Value made; ///< the product of the last round, which is still to be reduced into the result
  };

  static PartKey partKey(Product &product, unsigned operand) {
    EinsumSpec spec = parseEinsumSpec(product.op.getSpec());
    return {product.op->getOperand(operand), static_cast<int64_t>((operand ? spec.rhs : spec.lhs).find(product.path))};
  }

  /// Of 16-bit floats the rounds are added up as f32.
  static RankedTensorType sumType(EinsumOp op) {
    RankedTensorType type = op.getType();
    return RankedTensorType::get(type.getShape(), arithmeticType(type.getElementType()), type.getEncoding());
  }

  /// Broadcasts the round's parts.
  void receive(Number number) {
    for (auto &[key, travel] : received) {
      AllGatherOp gather = travel.gather;
      parts[key] =
          builder.create<dist::BroadcastOp>(travel.loc, partOf(typeOf(key.first), key.second, group.front().rounds),
                                            mapping.lookupOrDefault(gather.getInput()), number.round, gather.getDim(),
                                            number.first, gather.getMesh(), gather.getAxes());
    }
  }

  /// Adds the round's part of each product to its sum, or makes what is to be reduced.
  void multiply(Number number, const Parts &parts) {
    for (auto &&[product, state] : llvm::zip(group, states)) {
      EinsumOp op = product.op;
      Value lhs = operand(product, 0, number, parts), rhs = operand(product, 1, number, parts);
      if (product.scatter)
        state.made = builder
                         .create<EinsumOp>(op.getLoc(), partOf(op.getType(), product.scatter.getDim(), product.rounds),
                                           lhs, rhs, Value(), op.getSpecAttr())
                         .getResult();
      else
        state.sum =
            builder.create<EinsumOp>(op.getLoc(), sumType(op), lhs, rhs, state.sum, op.getSpecAttr()).getResult();
    }
  }

  /// Reduces the round's parts of results to the members that own them.
  void reduce(Number number) {
    for (auto &&[product, state] : llvm::zip(group, states)) {
      ReduceScatterOp scatter = product.scatter;
      if (scatter)
        state.sum = builder.create<dist::ReduceOp>(product.op.getLoc(), scatter.getType(), state.made, state.sum,
                                                   number.round, scatter.getKind(), scatter.getDim(), number.first,
                                                   scatter.getMesh(), scatter.getAxes());
    }
  }

  /// The round's part of an operand along the path.
  Value operand(Product &product, unsigned index, Number number, const Parts &parts) {
    PartKey key = partKey(product, index);
    Value whole = mapping.lookupOrDefault(key.first);
    if (key.second < 0)
      return whole;
    if (product.gathers[index])
      return parts.lookup(key);
    RankedTensorType type = partOf(typeOf(key.first), key.second, product.rounds);
    if (number.round)
      return builder.create<PartOp>(product.op.getLoc(), type, whole, number.round, key.second, number.first);
    SmallVector<int64_t> offsets(type.getRank()), strides(type.getRank(), 1);
    offsets[key.second] = number.first * type.getDimSize(key.second);
    return builder.create<SliceOp>(product.op.getLoc(), type, whole, offsets, strides);
  }

  /// The rounds between the first and the last.
  void emitLoop(int64_t count) {
    Location loc = group.back().op.getLoc();
    SmallVector<Value *> carried;
    for (auto &&[product, state] : llvm::zip(group, states)) {
      if (product.scatter) {
        state.sum = builder.create<EmptyOp>(loc, product.scatter.getType());
        carried.push_back(&state.made);
      }
      carried.push_back(&state.sum);
    }
    for (auto &entry : parts)
      carried.push_back(&entry.second);
    llvm::SetVector<Value> invariants;
    for (Product &product : group)
      for (unsigned i : {0, 1})
        invariants.insert(product.gathers[i] ? product.gathers[i].getInput() : product.op->getOperand(i));
    SmallVector<Value> starts = llvm::map_to_vector(carried, [](Value *value) { return *value; });
    auto loop = builder.create<LoopOp>(loc, count, starts, invariants.getArrayRef(), TypeRange(), ArrayRef<int64_t>());
    for (auto [value, argument] : llvm::zip(carried, loop.carriedArguments()))
      *value = argument;
    mapping.map(invariants.getArrayRef(), loop.invariantArguments());
    Block::iterator after = builder.getInsertionPoint();
    Block *around = builder.getInsertionBlock();
    builder.setInsertionPointToEnd(&loop.block());
    emitRound(loop.round());
    builder.create<YieldOp>(loc, llvm::map_to_vector(carried, [](Value *value) { return *value; }));
    builder.setInsertionPoint(around, after);
    mapping.clear();
    for (auto [value, result] : llvm::zip(carried, loop.getResults()))
      *value = result;
  }

  /// Round 1 + `round`, with the next one's parts and the previous one's sums.
  void emitRound(Value round) {
    Parts arrived = parts;
    reduce({0, round});
    receive({2, round});
    multiply({1, round}, arrived);
  }

  Group &group;
  OpBuilder builder;
  SmallVector<State> states;
  llvm::MapVector<PartKey, Travel> received; ///< what travels
  Parts parts;                               ///< of it, those that came last
  IRMapping mapping;                         ///< what the loop's body calls values around it
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
