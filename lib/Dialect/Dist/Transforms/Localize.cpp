//===- Localize.cpp - from whole shapes to one rank's -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Blocks.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace colo::dist {
#define GEN_PASS_DEF_LOCALIZEPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

namespace {
class Localizer {
public:
  Localizer(ModuleOp module, Mesh mesh) : module(module), mesh(std::move(mesh)), builder(module.getContext()) {}

  void run() {
    for (auto param : module.getOps<ParamOp>())
      localize(param);
    // Positions are read off the encodings: first all of them, then the types.
    module.walk([&](PositionalOpInterface op) { setPositions(op); });
    for (auto func : module.getOps<func::FuncOp>()) {
      for (Block &block : func.getBody()) {
        for (BlockArgument arg : block.getArguments())
          arg.setType(localType(arg.getType()));
        for (Operation &op : block)
          for (OpResult result : op.getResults())
            result.setType(localType(result.getType()));
      }
      auto localTypes = [&](TypeRange types) {
        return llvm::map_to_vector(types, [&](Type type) { return localType(type); });
      };
      func.setFunctionType(
          builder.getFunctionType(localTypes(func.getArgumentTypes()), localTypes(func.getResultTypes())));
    }
    orderBlocks();
  }

private:
  Sharding shardingIn(Type type) { return *shardingOf(type, mesh); }

  Type localType(Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return type;
    return withShape(tensor, localShape(tensor.getShape(), shardingIn(tensor), mesh));
  }

  void localize(ParamOp param) {
    SmallVector<Attribute> dims;
    for (const Axes &axes : shardingIn(param.getType()).dims)
      dims.push_back(mesh.nameAttr(module.getContext(), axes));
    param.setShardingAttr(builder.getArrayAttr(dims));
    param.setType(localType(param.getType()));
  }

  //===--------------------------------------------------------------------===//
  // Zigzag axes: collectives cut and join dims in the order of the members
  //===--------------------------------------------------------------------===//

  void orderBlocks() {
    SmallVector<Operation *> collectives;
    module.walk([&](Operation *op) {
      if (isa<AllGatherOp, AllSliceOp, ReduceScatterOp, AllToAllOp>(op))
        collectives.push_back(op);
    });
    for (Operation *op : collectives) {
      Axes axes;
      for (StringAttr name : op->getAttrOfType<ArrayAttr>("axes").getAsRange<StringAttr>())
        axes.push_back(*mesh.find(name.getValue()));
      if (SmallVector<int64_t> blocks = mesh.blocks(axes); !blocks.empty())
        orderBlocks(op, axes, blocks);
    }
  }

  void orderBlocks(Operation *op, const Axes &axes, ArrayRef<int64_t> blocks) {
    OpBuilder at(op);
    if (auto keep = dyn_cast<AllSliceOp>(op)) {
      keep.replaceAllUsesWith(keepBlocks(at, keep, mesh.groupSize(axes), blocks));
      return keep.erase();
    }
    auto gather = dyn_cast<AllGatherOp>(op);
    auto exchange = dyn_cast<AllToAllOp>(op);
    if (!gather)
      op->setOperand(0,
                     dist::orderBlocks(at, op->getOperand(0), op->getAttrOfType<IntegerAttr>("dim").getInt(), blocks));
    if (!gather && !exchange)
      return;
    at.setInsertionPointAfter(op);
    // The uses so far read the dim in its own order.
    Value joined = op->getResult(0);
    SmallVector<OpOperand *> uses = llvm::map_to_vector(joined.getUses(), [](OpOperand &use) { return &use; });
    Value ordered = dist::orderBlocks(at, joined, gather ? gather.getDim() : exchange.getFrom(), inverseOrder(blocks));
    for (OpOperand *use : uses)
      use->set(ordered);
  }

  /// The blocks of a member one after the other, each a view.
  static Value keepBlocks(OpBuilder &at, AllSliceOp keep, int64_t members, ArrayRef<int64_t> blocks) {
    int64_t each = static_cast<int64_t>(blocks.size()) / members, dim = keep.getDim();
    SmallVector<int64_t> shape(keep.getResult().getType().getShape());
    shape[dim] /= each;
    SmallVector<Value> kept;
    for (int64_t i = 0; i < each; ++i) {
      SmallVector<int64_t> numbers;
      for (int64_t member = 0; member < members; ++member)
        numbers.push_back(blocks[member * each + i]);
      kept.push_back(at.create<AllSliceOp>(keep.getLoc(), withShape(keep.getInput().getType(), shape), keep.getInput(),
                                           dim, keep.getMesh(), keep.getAxes(), at.getDenseI64ArrayAttr(numbers)));
    }
    return joinBlocks(at, kept, dim);
  }

  /// The dim past those of the positioned value is that of attention's keys.
  void setPositions(PositionalOpInterface op) {
    Sharding sharding = shardingIn(op.getPositionedValue().getType());
    if (sharding.complete().isWhole())
      return;
    SmallVector<Attribute> positions;
    for (auto [dim, size] : llvm::enumerate(op.getPositionedShape())) {
      const Axes axes =
          dim < sharding.dims.size() ? sharding.dims[dim] : shardingIn(op->getOperand(1).getType()).dims[1];
      SmallVector<NamedAttribute> entry{
          builder.getNamedAttr(position::kGlobal, builder.getI64IntegerAttr(logicalSize(op, dim, size))),
          builder.getNamedAttr(position::kPadded, builder.getI64IntegerAttr(size)),
          builder.getNamedAttr(position::kAxes, mesh.nameAttr(module.getContext(), axes))};
      if (SmallVector<int64_t> blocks = mesh.blocks(axes); !blocks.empty())
        entry.push_back(builder.getNamedAttr(position::kBlocks, builder.getDenseI64ArrayAttr(blocks)));
      positions.push_back(builder.getDictionaryAttr(entry));
    }
    op->setAttr("positions", builder.getArrayAttr(positions));
  }

  /// dist-pad has left the true sizes where it enlarged a dim.
  static int64_t logicalSize(Operation *op, size_t dim, int64_t size) {
    auto known = op->getAttrOfType<ArrayAttr>("positions");
    return known ? cast<DictionaryAttr>(known[dim]).getAs<IntegerAttr>(position::kGlobal).getInt() : size;
  }

  ModuleOp module;
  Mesh mesh;
  Builder builder;
};

struct LocalizePass : public dist::impl::LocalizePassBase<LocalizePass> {
  void runOnOperation() override {
    if (std::optional<Mesh> mesh = findMesh(getOperation()))
      Localizer(getOperation(), *mesh).run();
  }
};
} // namespace
