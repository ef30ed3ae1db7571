//===- HostCalls.cpp - what host code calls -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCalls.h"
#include "colo/Runtime/Nccl.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace colo;

static_assert(rt::kComputeStream == COLO_STREAM_COMPUTE && rt::kGradientStream == COLO_STREAM_GRADIENTS &&
              rt::kLayerStream == COLO_STREAM_LAYERS && rt::kStageStream == COLO_STREAM_STAGES);

static_assert(sizeof(ColoStepValues) == rt::kStepValueBytes && offsetof(ColoStepValues, step) == 0 &&
              offsetof(ColoStepValues, lr) == 8 && offsetof(ColoStepValues, biasCorrection1) == 16 &&
              offsetof(ColoStepValues, biasCorrection2) == 24 && offsetof(ColoStepValues, lossScale) == 32 &&
              offsetof(ColoStepValues, updates) == 40); // as rt::stepValueOffset

HostContext::HostContext(ModuleOp module, const ProgramTables &tables) {
  for (auto [i, axis] : llvm::enumerate(tables.axes))
    axes[axis.name] = i;
  for (Operation &op : *module.getBody())
    if (op.hasAttr(rt::kKernelAttr) && op.hasAttr(rt::kExtentAttr))
      kernels[SymbolTable::getSymbolName(&op).getValue()] = {op.getAttrOfType<IntegerAttr>(rt::kExtentAttr).getInt(),
                                                             op.getAttrOfType<IntegerAttr>(rt::kGrainAttr).getInt(),
                                                             -1};
  for (auto &entry : kernels)
    for (auto [i, kernel] : llvm::enumerate(tables.kernels))
      if (kernel.name == imageName(entry.getKey()))
        entry.second.number = static_cast<int64_t>(i);
  for (const Named<ColoComm> &comm : tables.comms) {
    auto &list = commAxes.emplace_back();
    for (int32_t i = 0; i < comm.fields.axes.count; ++i) {
      int32_t axis = comm.fields.axes.axis[i];
      list.push_back({axis, tables.axes[axis].fields.size});
    }
  }
}

void colo::declareRuntime(ModuleOp module, const ProgramTables &tables) {
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  Type p = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type(), i32 = b.getI32Type();
  Type none = LLVM::LLVMVoidType::get(b.getContext());
  auto declare = [&](StringRef name, Type result, ArrayRef<Type> arguments) {
    b.create<LLVM::LLVMFuncOp>(module.getLoc(), name, LLVM::LLVMFunctionType::get(result, arguments));
  };
  declare("colo_gemm", none, {p, i64, p, p, p});
  declare("colo_gemm_epilogue", none, {p, i64, p, p, p, p, p, p, p});
  declare("colo_launch", none, {p, p, p, i64, i64});
  declare("colo_launch_kernel", none, {p, i64, p, i64, i64});
  declare("colo_clear", none, {p, p, i64});
  declare("colo_fetch", none, {p, p, p, i64, i64});
  declare("colo_enter", none, {p, p, i64, i64});
  declare("colo_leave", none, {p});
  declare(tables.device, p, {});
  declare("colo_event_record", none, {p, i64, i64});
  declare("colo_stream_wait", none, {p, i64, i64});
  declare("colo_action", none, {p, i64, i64, i64});
  declare("ncclAllReduce", i32, {p, p, i64, i32, i32, p, p});
  declare("ncclAllGather", i32, {p, p, i64, i32, p, p});
  declare("ncclReduceScatter", i32, {p, p, i64, i32, i32, p, p});
  declare("ncclAlltoAll", i32, {p, p, i64, i32, p, p});
  declare("ncclBroadcast", i32, {p, p, i64, i32, i32, p, p});
  declare("ncclReduce", i32, {p, p, i64, i32, i32, i32, p, p});
  declare("ncclSend", i32, {p, i64, i32, i32, p, p});
  declare("ncclRecv", i32, {p, i64, i32, i32, p, p});
  auto declareBytes = [&](StringRef name) {
    auto bytes = b.create<LLVM::GlobalOp>(module.getLoc(), LLVM::LLVMArrayType::get(b.getI8Type(), 0),
                                          /*isConstant=*/true, LLVM::Linkage::External, name, Attribute());
    bytes.setVisibility_(LLVM::Visibility::Hidden);
  };
  declareBytes(kCpuFeaturesSymbol);
  if (tables.image.empty()) {
    for (auto kernel : module.getOps<func::FuncOp>())
      if (kernel->hasAttr(rt::kKernelAttr))
        declare((kernel.getName() + ".entry").str(), none, {p, i64, i64});
  } else {
    declareBytes(tables.image);
  }
  declare("ncclGroupStart", i32, {});
  declare("ncclGroupEnd", i32, {});
}

namespace {

using Emitter = HostEmitter;

//===----------------------------------------------------------------------===//
// Memory and numbers
//===----------------------------------------------------------------------===//

struct BufferLowering : HostPattern<rt::BufferOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::BufferOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op);
    StringRef name = op.getName();
    if (name == "inputs") {
      rewriter.replaceOp(op, e.entry(offsetof(ColoFrame, inputs), e.pointer(), op.getInput()));
      return success();
    }
    size_t offset = llvm::StringSwitch<size_t>(name)
                        .Case("params", offsetof(ColoFrame, params))
                        .Case("copies", offsetof(ColoFrame, copies))
                        .Case("grads", offsetof(ColoFrame, grads))
                        .Case("state0", offsetof(ColoFrame, state))
                        .Case("state1", offsetof(ColoFrame, state) + sizeof(char *))
                        .Case("workspace", offsetof(ColoFrame, workspace))
                        .Case("counts", offsetof(ColoFrame, counts))
                        .Case("inverse_counts", offsetof(ColoFrame, inverseCounts))
                        .Case("metrics", offsetof(ColoFrame, metrics))
                        .Case("grad_norm", offsetof(ColoFrame, gradNorm))
                        .Case("step_values", offsetof(ColoFrame, stepValues))
                        .Case("host_metrics", offsetof(ColoFrame, hostMetrics))
                        .Default(offsetof(ColoFrame, hostGradNorm));
    rewriter.replaceOp(op, e.field(offset, e.pointer()));
    return success();
  }
};

struct SlotLowering : HostPattern<rt::SlotOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::SlotOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op);
    Type element = getTypeConverter()->convertType(cast<MemRefType>(op.getBase().getType()).getElementType());
    Value offset = e.i64(op.getOffset());
    if (adaptor.getDynamic())
      offset = rewriter.create<LLVM::AddOp>(op.getLoc(), offset, adaptor.getDynamic());
    rewriter.replaceOp(op, e.advance(adaptor.getBase(), element, offset));
    return success();
  }
};

struct TableLowering : HostPattern<rt::TableOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::TableOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    auto module = op->getParentOfType<ModuleOp>();
    auto type = LLVM::LLVMArrayType::get(rewriter.getI64Type(), op.getValues().size());
    auto shape = RankedTensorType::get({static_cast<int64_t>(op.getValues().size())}, rewriter.getI64Type());
    std::string name = "colo_table_" + std::to_string(host.tableCount++);
    {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointToStart(module.getBody());
      rewriter.create<LLVM::GlobalOp>(op.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                      DenseIntElementsAttr::get(shape, op.getValues()));
    }
    rewriter.replaceOpWithNewOp<LLVM::AddressOfOp>(op, LLVM::LLVMPointerType::get(op.getContext()), name);
    return success();
  }
};

struct ScalarLowering : HostPattern<rt::ScalarOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::ScalarOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    constexpr size_t unknown = ~size_t(0);
    size_t offset = llvm::StringSwitch<size_t>(op.getName())
                        .Case("seed", offsetof(ColoFrame, seed))
                        .Case("step", offsetof(ColoFrame, step))
                        .Case("first_row", offsetof(ColoFrame, firstRow))
                        .Case("micro_batches", offsetof(ColoFrame, microBatches))
                        .Case("dp", offsetof(ColoFrame, dp))
                        .Case("replica", offsetof(ColoFrame, replica))
                        .Case("stage", offsetof(ColoFrame, stage))
                        .Case("updates", offsetof(ColoFrame, updates))
                        .Case("lr", offsetof(ColoFrame, lr))
                        .Case("loss_scale", offsetof(ColoFrame, lossScale))
                        .Case("bias_correction1", offsetof(ColoFrame, biasCorrection1))
                        .Case("bias_correction2", offsetof(ColoFrame, biasCorrection2))
                        .Default(unknown);
    if (offset == unknown)
      return rewriter.notifyMatchFailure(op, "known inside module functions only");
    rewriter.replaceOp(op, Emitter(rewriter, op).field(offset, op.getType()));
    return success();
  }
};

struct AxisIndexLowering : HostPattern<rt::AxisIndexOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::AxisIndexOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    auto axis = host.axes.find(op.getAxis());
    if (axis == host.axes.end())
      return op.emitOpError("names no axis of the mesh: '") << op.getAxis() << "'";
    rewriter.replaceOp(op,
                       Emitter(rewriter, op).entry(offsetof(ColoFrame, coords), rewriter.getI64Type(), axis->second));
    return success();
  }
};

struct InverseCountLowering : HostPattern<rt::InverseCountOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::InverseCountOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(
        op, Emitter(rewriter, op).entry(offsetof(ColoFrame, inverseCounts), rewriter.getF64Type(), op.getTerm()));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

template <typename Op> Value eventOf(Emitter &e, Op op, Value dynamic) {
  Value first = e.i64(op.getEvent());
  return dynamic ? e.b.create<LLVM::AddOp>(e.loc, first, dynamic) : first;
}

//===----------------------------------------------------------------------===//
// Communication
//===----------------------------------------------------------------------===//

int64_t ncclType(Type type) {
  if (type.isF32())
    return ncclFloat32;
  if (type.isF64())
    return ncclFloat64;
  if (type.isBF16())
    return ncclBfloat16;
  if (type.isF16())
    return ncclFloat16;
  if (type.isInteger(32))
    return ncclInt32;
  return type.isInteger(64) ? ncclInt64 : ncclInt8;
}

/// Numbers of the members of a group over axes of these sizes, as sums of coordinates times these weights.
std::optional<SmallVector<int64_t>> linearWeights(ArrayRef<int64_t> members, ArrayRef<int64_t> sizes) {
  SmallVector<int64_t> weights(sizes.size());
  int64_t stride = 1;
  for (int64_t axis = static_cast<int64_t>(sizes.size()) - 1; axis >= 0; stride *= sizes[axis--])
    weights[axis] = sizes[axis] > 1 ? members[stride] : 0;
  for (auto [place, member] : llvm::enumerate(members)) {
    int64_t sum = 0, rest = static_cast<int64_t>(place);
    for (int64_t axis = static_cast<int64_t>(sizes.size()) - 1; axis >= 0; rest /= sizes[axis--])
      sum += rest % sizes[axis] * weights[axis];
    if (sum != member)
      return std::nullopt;
  }
  return weights;
}

Value weightedSum(Emitter &e, ArrayRef<Value> values, ArrayRef<int64_t> weights) {
  Value sum = e.i64(0);
  for (auto [value, weight] : llvm::zip(values, weights))
    sum = e.b.create<LLVM::AddOp>(e.loc, sum, e.b.create<LLVM::MulOp>(e.loc, value, e.i64(weight)));
  return sum;
}

/// members[this rank's place in the group], an i32. A step round the group and a change of the order of axes are
/// arithmetic, so that code does not grow with the group; anything else is chosen from one by one.
Value memberOf(Emitter &e, ArrayRef<int64_t> members, ArrayRef<Value> coordinates, ArrayRef<int64_t> sizes) {
  OpBuilder &b = e.b;
  auto narrow = [&](Value value) -> Value { return b.create<LLVM::TruncOp>(e.loc, b.getI32Type(), value); };
  if (auto weights = linearWeights(members, sizes))
    return narrow(weightedSum(e, coordinates, *weights));
  SmallVector<int64_t> strides(sizes.size(), 1);
  for (int64_t axis = static_cast<int64_t>(sizes.size()) - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * sizes[axis + 1];
  Value self = weightedSum(e, coordinates, strides);
  int64_t count = static_cast<int64_t>(members.size()), step = members.front();
  if (llvm::all_of(llvm::enumerate(members),
                   [&](auto entry) { return (static_cast<int64_t>(entry.index()) + step) % count == entry.value(); })) {
    Value moved = b.create<LLVM::AddOp>(e.loc, self, e.i64(step));
    return narrow(b.create<LLVM::URemOp>(e.loc, moved, e.i64(count)));
  }
  Value chosen = e.i32(members.front());
  for (auto [place, member] : llvm::drop_begin(llvm::enumerate(members))) {
    Value isHere = b.create<LLVM::ICmpOp>(e.loc, LLVM::ICmpPredicate::eq, self, e.i64(place));
    chosen = b.create<LLVM::SelectOp>(e.loc, isHere, e.i32(member), chosen);
  }
  return chosen;
}

/// Tells the frame which place in the program communicates; the communicator and the stream.
std::pair<Value, Value> enterSite(Emitter &e, rt::CommunicationOpInterface op) {
  e.b.create<LLVM::StoreOp>(e.loc, e.i64(*op.getSite()), e.fieldAddress(offsetof(ColoFrame, site)));
  Value comm = e.entry(offsetof(ColoFrame, comms), e.pointer(), *op.getComm());
  Value stream = e.entry(offsetof(ColoFrame, streams), e.pointer(), op.getStream());
  return {comm, stream};
}

int64_t ncclTypeOf(Value buffer) { return ncclType(cast<MemRefType>(buffer.getType()).getElementType()); }

struct CommunicationLowering : OpInterfaceConversionPattern<rt::CommunicationOpInterface> {
  CommunicationLowering(const LLVMTypeConverter &types, const HostContext &host)
      : OpInterfaceConversionPattern(types, &types.getContext()), host(host) {}

  LogicalResult matchAndRewrite(rt::CommunicationOpInterface op, ArrayRef<Value> operands,
                                ConversionPatternRewriter &rewriter) const override {
    std::optional<rt::NcclCall> call = op.getCall(groupSize(op));
    if (!call)
      return failure();
    Emitter e(rewriter, op);
    auto [comm, stream] = enterSite(e, op);
    Value type = e.i32(ncclTypeOf(op.getPayload()));
    SmallVector<Value> arguments;
    Value round;
    for (auto [before, now] : llvm::zip(op->getOperands(), operands)) {
      if (isa<MemRefType>(before.getType()))
        arguments.push_back(now);
      else if (before == op.getRound())
        round = now;
    }
    arguments.append({e.i64(call->count), type});
    if (call->reduction)
      arguments.push_back(e.i32(*call->reduction == "max" ? ncclMax : ncclSum));
    if (call->root)
      arguments.push_back(root(e, *call->root, round));
    arguments.append({comm, stream});
    e.call(call->function, arguments);
    rewriter.eraseOp(op);
    return success();
  }

private:
  static Value root(Emitter &e, int64_t number, Value round) {
    Value first = e.i32(number);
    if (!round)
      return first;
    Value narrow = e.b.create<LLVM::TruncOp>(e.loc, e.b.getI32Type(), round);
    return e.b.create<LLVM::AddOp>(e.loc, first, narrow);
  }

  int64_t groupSize(rt::CommunicationOpInterface op) const {
    int64_t size = 1;
    for (auto [axis, ranks] : host.commAxes[*op.getComm()])
      size *= ranks;
    return size;
  }

  const HostContext &host;
};

/// Sends to the one rank that receives from this one. To itself is a copy.
struct PermuteLowering : HostPattern<rt::PermuteOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::PermuteOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Emitter e(rewriter, op);
    auto [comm, stream] = enterSite(e, op);
    Value type = e.i32(ncclTypeOf(op.getSend()));
    Value count = e.i64(cast<MemRefType>(op.getSend().getType()).getNumElements());
    SmallVector<Value> coordinates;
    SmallVector<int64_t> sizes;
    for (auto [axis, ranks] : host.commAxes[*op.getComm()]) {
      coordinates.push_back(e.entry(offsetof(ColoFrame, coords), e.b.getI64Type(), axis));
      sizes.push_back(ranks);
    }
    SmallVector<int64_t> targets(op.getSources().size());
    for (auto [rank, source] : llvm::enumerate(op.getSources()))
      targets[source] = rank;
    Value from = memberOf(e, op.getSources(), coordinates, sizes);
    Value to = memberOf(e, targets, coordinates, sizes);
    e.call("ncclGroupStart", {});
    e.call("ncclSend", {adaptor.getSend(), count, type, to, comm, stream});
    e.call("ncclRecv", {adaptor.getRecv(), count, type, from, comm, stream});
    e.call("ncclGroupEnd", {});
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void colo::populateHostCallPatterns(LLVMTypeConverter &types, RewritePatternSet &patterns, const HostContext &host) {
  patterns.add<BufferLowering, TableLowering, SlotLowering, ScalarLowering, AxisIndexLowering, InverseCountLowering,
               CommunicationLowering, PermuteLowering>(types, host);
  patterns.add<CallPattern<rt::GemmOp>>(types, host, [](Emitter &e, rt::GemmOp op, rt::GemmOp::Adaptor adaptor) {
    SmallVector<Value> arguments{e.frame, e.i64(*op.getIndex()), adaptor.getLhs(), adaptor.getRhs(), adaptor.getOut()};
    if (!op.getBias() && !op.getAddend() && !op.getSums() && !op.getAux()) {
      e.call("colo_gemm", arguments);
      return;
    }
    for (Value value : {adaptor.getBias(), adaptor.getAddend(), adaptor.getSums(), adaptor.getAux()})
      arguments.push_back(value ? value : e.b.create<LLVM::ZeroOp>(e.loc, arguments[2].getType()));
    e.call("colo_gemm_epilogue", arguments);
  });
  patterns.add<CallPattern<rt::ActionOp>>(types, host, [](Emitter &e, rt::ActionOp op, rt::ActionOp::Adaptor adaptor) {
    e.call("colo_action", {e.frame, e.i64(*op.getIndex()), adaptor.getMicroBatch(), e.i64(op.getEnds())});
  });
  patterns.add<CallPattern<rt::RecordOp>>(types, host, [](Emitter &e, rt::RecordOp op, rt::RecordOp::Adaptor adaptor) {
    e.call("colo_event_record", {e.frame, eventOf(e, op, adaptor.getDynamic()), e.i64(op.getStream())});
  });
  patterns.add<CallPattern<rt::WaitOp>>(types, host, [](Emitter &e, rt::WaitOp op, rt::WaitOp::Adaptor adaptor) {
    e.call("colo_stream_wait", {e.frame, e.i64(op.getStream()), eventOf(e, op, adaptor.getDynamic())});
  });
  patterns.add<CallPattern<rt::GroupStartOp>>(
      types, host, [](Emitter &e, rt::GroupStartOp, rt::GroupStartOp::Adaptor) { e.call("ncclGroupStart", {}); });
  patterns.add<CallPattern<rt::GroupEndOp>>(
      types, host, [](Emitter &e, rt::GroupEndOp, rt::GroupEndOp::Adaptor) { e.call("ncclGroupEnd", {}); });
}
