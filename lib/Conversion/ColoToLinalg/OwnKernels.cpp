//===- OwnKernels.cpp - ops that are kernels of their own -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildKernel.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace colo;

/// Dims of scores [b,a,s,t].
static constexpr int64_t kScoreDims = 4, kRowsDim = 2, kKeysDim = 3;

static void buildScatter(EmbeddingGradOp op, OpBuilder &builder, KernelSignature &signature) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Value gradient = signature.argument(op.getGradient()), ids = signature.argument(op.getIds());
  Value first = signature.firstPosition(builder, op.getLoc(), op.getPositionsAttr(), 0, type.getDimSize(0));
  Value result = builder.create<rt::ScatterAddOp>(op.getLoc(), type, gradient, ids, first);
  builder.create<func::ReturnOp>(op.getLoc(), result);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The numbers of the blocks that a dim's parts are made of, and how many one part has.
static std::pair<llvm::ArrayRef<int64_t>, int64_t> blocksOf(ArrayAttr positions, int64_t dim,
                                                            const KernelSignature &signature) {
  auto entry = positions ? dyn_cast<DictionaryAttr>(positions[dim]) : DictionaryAttr();
  auto blocks = entry ? entry.getAs<DenseI64ArrayAttr>(position::kBlocks) : DenseI64ArrayAttr();
  if (!blocks)
    return {{}, 1};
  int64_t members = 1;
  for (auto axis : entry.getAs<ArrayAttr>(position::kAxes).getAsRange<StringAttr>())
    members *= signature.getScalars().axisSize(axis);
  return {blocks.asArrayRef(), entry.contains(position::kHalf) ? 1 : blocks.size() / members};
}

/// Whether positions grow with the index in every part.
static bool isOrdered(ArrayAttr positions, int64_t dim, const KernelSignature &signature) {
  auto [blocks, each] = blocksOf(positions, dim, signature);
  for (size_t i = 0; i < blocks.size(); ++i)
    if (i % each != 0 && blocks[i] < blocks[i - 1])
      return false;
  return true;
}

/// What the region of rt.attention computes. The batch's rows are counted over micro-batches and replicas.
static void buildPositions(rt::AttentionOp op, ArrayAttr positions, llvm::ArrayRef<int64_t> shape,
                           KernelSignature &signature) {
  OpBuilder builder(op.getContext());
  Location loc = op.getLoc();
  llvm::SmallVector<Type> indices(kScoreDims, builder.getIndexType());
  Block *block = builder.createBlock(&op.getPositions(), {}, indices, llvm::SmallVector<Location>(kScoreDims, loc));
  llvm::SmallVector<Value> all;
  for (int64_t d = 0; d < kScoreDims; ++d) {
    Value at = signature.position(builder, loc, positions, d, shape[d], block->getArgument(d));
    all.push_back(builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), at));
  }
  if (!op.getRandom().empty()) {
    Value first = signature.argument(signature.getScalars().integer("first_row"));
    all.front() = builder.create<arith::AddIOp>(loc, first, all.front());
  }
  builder.create<rt::YieldOp>(loc, all);
}

/// `lse`, `gradient` and `delta` are null forward.
template <typename OpT>
static void buildAttention(OpT op, rt::AttentionPart part, llvm::ArrayRef<Value> outputs, Value lse, Value gradient,
                           Value delta, OpBuilder &builder, KernelSignature &signature) {
  Location loc = op.getLoc();
  ArrayAttr positions = op.getPositionsAttr();
  llvm::SmallVector<int64_t> shape = op.getPositionedShape(), sizes;
  for (int64_t d = 0; d < kScoreDims; ++d)
    sizes.push_back(globalSize(positions, d, shape[d]));
  auto argument = [&](Value value) { return value ? signature.argument(value) : Value(); };
  llvm::SmallVector<Value> tensors;
  for (Value value :
       {Value(op.getQuery()), Value(op.getKey()), Value(op.getValue()), lse, gradient, delta, Value(op.getMask())})
    tensors.push_back(argument(value));
  llvm::SmallVector<Value> random, into;
  for (Value output : outputs)
    if (Value place = madeInPlaceOf(output))
      into.push_back(argument(place));
  if (op.getDropout().convertToDouble() > 0) {
    HostScalars &scalars = signature.getScalars();
    Value instance = builder.create<arith::ConstantIntOp>(loc, static_cast<int64_t>(op.getId()) << 16, 64);
    instance = builder.create<arith::AddIOp>(loc, instance, argument(scalars.integer("layer")));
    random = {argument(scalars.integer("seed")), instance, argument(scalars.integer("step"))};
  }
  bool ordered = isOrdered(positions, kRowsDim, signature) && isOrdered(positions, kKeysDim, signature);
  int64_t run = shape[kKeysDim] / blocksOf(positions, kKeysDim, signature).second;
  auto made = builder.create<rt::AttentionOp>(
      loc, TypeRange(ValueRange(outputs)), rt::AttentionPartAttr::get(builder.getContext(), part), tensors[0],
      tensors[1], tensors[2], tensors[3], tensors[4], tensors[5], tensors[6], random, into, op.getScaleAttr(),
      op.getCausalAttr(), ordered ? builder.getUnitAttr() : UnitAttr(), op.getDropoutAttr(),
      builder.getDenseI64ArrayAttr(sizes), builder.getI64IntegerAttr(run));
  buildPositions(made, positions, shape, signature);
  builder.create<func::ReturnOp>(loc, made.getResults());
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

namespace {
template <typename ModelT, typename OpT> using OwnKernelBody = OwnKernelBodyOpInterface::ExternalModel<ModelT, OpT>;

struct ScatterBody : OwnKernelBody<ScatterBody, EmbeddingGradOp> {
  void buildKernel(Operation *op, llvm::ArrayRef<Value>, OpBuilder &builder, KernelSignature &signature) const {
    buildScatter(cast<EmbeddingGradOp>(op), builder, signature);
  }
};

struct AttentionBody : OwnKernelBody<AttentionBody, AttentionOp> {
  void buildKernel(Operation *op, llvm::ArrayRef<Value> outputs, OpBuilder &builder, KernelSignature &signature) const {
    buildAttention(cast<AttentionOp>(op), rt::AttentionPart::Forward, outputs, {}, {}, {}, builder, signature);
  }
};

struct AttentionGradBody : OwnKernelBody<AttentionGradBody, AttentionGradOp> {
  void buildKernel(Operation *op, llvm::ArrayRef<Value> outputs, OpBuilder &builder, KernelSignature &signature) const {
    auto backward = cast<AttentionGradOp>(op);
    bool isQuery = outputs.front() == backward.getDquery();
    buildAttention(backward, isQuery ? rt::AttentionPart::DQuery : rt::AttentionPart::DKeyDValue, outputs,
                   backward.getLse(), backward.getGradient(), backward.getDelta(), builder, signature);
  }
};
} // namespace

void colo::registerOwnKernels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, ColoDialect *) {
    EmbeddingGradOp::attachInterface<ScatterBody>(*context);
    AttentionOp::attachInterface<AttentionBody>(*context);
    AttentionGradOp::attachInterface<AttentionGradBody>(*context);
  });
}
