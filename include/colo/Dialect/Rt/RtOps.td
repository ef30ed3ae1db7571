//===- RtOps.td - the device program ------------------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one rank runs: kernels, products, collectives, streams and events. The
// launch and the scalars exist on tensors (phase `linalg`) and on memrefs
// (phase `buffers`); everything else is on memrefs only.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RT_OPS_TD
#define COLO_RT_OPS_TD

include "colo/Dialect/Colo/ColoInterfaces.td"
include "colo/Dialect/Rt/RtInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Rt_Dialect : Dialect {
  let name = "rt";
  let cppNamespace = "::colo::rt";
  let summary = "The program of one rank: buffers, kernels, products, collectives and streams.";
  let description = [{
    Memory is explicit: memrefs are places in the rank's flat buffers, an operand never overlaps a destination unless the op
    says so, and every op but `rt.axis_index`, `rt.scalar` and `rt.inverse_count` runs in order on its stream.
  }];
}

class Rt_Op<string mnemonic, list<Trait> traits = []> : Op<Rt_Dialect, mnemonic, traits>;

/// An op on buffers; C++ lists of those that it reads and may write.
class Rt_BufferOp<string mnemonic, string read, string written, list<Trait> traits = [BufferOpInterface]>
    : Rt_Op<mnemonic, traits> {
  code buffers = "::llvm::SmallVector<::mlir::Value> getRead() { return {" # read # "}; }\n"
                 "::llvm::SmallVector<::mlir::Value> getWritten() { return {" # written # "}; }\n";
  let extraClassDeclaration = buffers;
}

def Rt_Data : AnyTypeOf<[AnyRankedTensor, AnyMemRef, Index, AnyInteger, AnyFloat]>;

//===----------------------------------------------------------------------===//
// Scalars known at run time
//===----------------------------------------------------------------------===//

def Rt_AxisIndexOp : Rt_Op<"axis_index", [Pure]> {
  let summary = "This rank's coordinate on a tensor axis.";
  let description = [{
    ```mlir
    %i = rt.axis_index "tp" : index
    ```
  }];
  let arguments = (ins StrAttr:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$axis attr-dict `:` type($result)";
}

def Rt_ScalarOp : Rt_Op<"scalar", [Pure]> {
  let summary = "A number that the runtime or the enclosing loop provides.";
  let description = [{
    Of type i64: `seed` (key of all random numbers), `step` (0-based optimizer step), `first_row` (global row of the first
    row of the current micro-batch), `layer` (number of the current execution of the enclosing module function),
    `micro_batches` (of this step), `dp`, `replica` and `stage` (pipeline rank). Of type f64: `lr`, `bias_correction1`, `bias_correction2`.

    ```mlir
    %seed = rt.scalar "seed" : i64
    ```
  }];
  let arguments = (ins StrAttr:$name);
  let results = (outs AnyTypeOf<[I64, F64]>:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rt_InverseCountOp : Rt_Op<"inverse_count", [Pure]> {
  let summary = "1/N of denominator `term` over the global batch, 0 if N is 0.";
  let description = [{
    ```mlir
    %w = rt.inverse_count {term = 0} : f64
    ```
  }];
  let arguments = (ins I64Attr:$term);
  let results = (outs F64:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

def Rt_LaunchOp : Rt_Op<"launch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<BufferOpInterface>,
    DeclareOpInterfaceMethods<InPlaceOpInterface>]> {
  let summary = "Runs a kernel, a private function with the attribute `rt.kernel`.";
  let description = [{
    On tensors the operands are tensors and scalars and the results are tensors, exactly the kernel's signature. On memrefs
    the results have become destinations, which overlap neither operands nor each other. `extent` replaces the kernel's own
    number of rows. On tensors `in_place` says of each result the number of the operand in whose place it is made, -1 for none; on memrefs
    such an operand has become the destination, which the kernel reads before it writes.

    ```mlir
    %r = rt.launch @k3(%a, %b, %off) : (tensor<4x64xf32>, tensor<64xf32>, index) -> (tensor<4x64xf32>)
    rt.launch @k3(%a, %b, %off) outs(%r) : (memref<4x64xf32>, memref<64xf32>, index) -> () outs memref<4x64xf32>
    %s = rt.launch @add(%x, %sum) {in_place = array<i64: 1>} : (tensor<64xf32>, tensor<64xf32>) -> tensor<64xf32>
    rt.launch @add(%x) outs(%sum) : (memref<64xf32>) -> () outs memref<64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Rt_Data>:$inputs, Variadic<AnyMemRef>:$outs,
    OptionalAttr<I64Attr>:$extent, OptionalAttr<DenseI64ArrayAttr>:$in_place);
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$results, "::mlir::FlatSymbolRefAttr":$kernel, "::mlir::ValueRange":$inputs,
    "::mlir::ValueRange":$outs, "::mlir::IntegerAttr":$extent), [{
      build($_builder, $_state, results, kernel, inputs, outs, extent, ::mlir::DenseI64ArrayAttr());
    }]>];
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` (`outs` `(` $outs^ `)`)? attr-dict `:`
    functional-type($inputs, $results) (`outs` type($outs)^)?
  }];
  let hasVerifier = 1;
}

def Rt_Activation : I32EnumAttr<"Activation", "what a product does to each element of its result", [
  I32EnumAttrCase<"GeluGrad", 0, "gelu_grad">, I32EnumAttrCase<"Gelu", 1, "gelu">, I32EnumAttrCase<"Relu", 2, "relu">]> {
  let cppNamespace = "::colo::rt";
}

def Rt_GemmOp : Rt_Op<"gemm", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<BufferOpInterface>]> {
  let summary = "C[batch, m, n] = A[batch, m, k] * B[batch, k, n], added to C where `accumulate` is set.";
  let description = [{
    The three memrefs say where the data start; `sizes` = [m, n, k] and the strides say how it is read, in elements. One of
    `a` = [m, k] strides is 1, one of `b` = [k, n], and the last of `c` = [m, n]. A stride of 0 in `a_batch` or `b_batch`
    repeats an operand over a batch dim. At most four batch dims. Of 16-bit floats the sums, and maybe the result, are f32.

    Before the result is rounded and written, `bias` is added to each row, n elements one after the other, and the element of `plus`
    that lies as the result's. `sums` is written, too: operand `summed` (0 or 1) added up over k, m or n contiguous elements of the
    result's type. `activation` comes last (colo.einsum): `gelu_grad` reads the element of `aux` that lies as the result's, `gelu` writes there
    what it is done to, if there is one.

    ```mlir
    rt.gemm %x, %w, %y {sizes = array<i64: 128, 64, 32>, a = array<i64: 32, 1>, b = array<i64: 1, 32>, c = array<i64: 64, 1>}
      : memref<128x32xf32>, memref<64x32xf32>, memref<128x64xf32>
    ```
  }];
  let arguments = (ins AnyMemRef:$lhs, AnyMemRef:$rhs, AnyMemRef:$out, Optional<AnyMemRef>:$bias,
    Optional<AnyMemRef>:$addend, Optional<AnyMemRef>:$sums, Optional<AnyMemRef>:$aux,
    OptionalAttr<I64Attr>:$summed, OptionalAttr<Rt_Activation>:$activation,
    DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$a,
    DenseI64ArrayAttr:$b, DenseI64ArrayAttr:$c, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$batch,
    DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$a_batch, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$b_batch,
    DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$c_batch, UnitAttr:$accumulate, OptionalAttr<I64Attr>:$index);
  let assemblyFormat = [{
    $lhs `,` $rhs `,` $out (`bias` $bias^)? (`plus` $addend^)? (`sums` $sums^)? (`aux` $aux^)? (`as` $activation^)? attr-dict `:`
    type($lhs) `,` type($rhs) `,` type($out) (`bias` type($bias)^)? (`plus` type($addend)^)? (`sums` type($sums)^)?
    (`aux` type($aux)^)?
  }];
  let extraClassDeclaration = [{
    bool readsAux() { return getActivation() == Activation::GeluGrad; }
    bool writesAux() { return getAux() && getActivation() == Activation::Gelu; }
  }];
  let hasVerifier = 1;
}

def Rt_FillOp : Rt_BufferOp<"fill", "", "getBuffer()"> {
  let summary = "Sets a contiguous buffer to zero.";
  let arguments = (ins AnyMemRef:$buffer);
  let assemblyFormat = "$buffer attr-dict `:` type($buffer)";
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

def Rt_BufferOp : Rt_Op<"buffer", [Pure]> {
  let summary = "A buffer of the rank that the runtime owns.";
  let description = [{
    `params`, `grads`, `state0`, `state1` (elements of the program's type), `copies` (of parameters, in 16-bit floats), `workspace` (bytes), `inputs` (rows of input number
    `input` of the whole step), `counts` (i64), `inverse_counts`, `metrics` and `grad_norm` (f64),
    `step_values` (bytes: what a step's scalars are, for kernels), and the host's copies `host_metrics` and `host_grad_norm`, which it
    reads when the step is done.

    ```mlir
    %p = rt.buffer "params" : memref<4096xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, DefaultValuedAttr<I64Attr, "0">:$input);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rt_TableOp : Rt_Op<"table", [Pure]> {
  let summary = "Constant whole numbers, row after row.";
  let description = [{
    ```mlir
    %t = rt.table array<i64: 0, 1, 2, 3> : memref<2x2xi64>
    ```
  }];
  let arguments = (ins DenseI64ArrayAttr:$values);
  let results = (outs MemRefOf<[I64]>:$result);
  let assemblyFormat = "$values attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Rt_SlotOp : Rt_Op<"slot", [Pure]> {
  let summary = "A place in a buffer, `offset` (+ `dynamic`) elements of the base from its start.";
  let description = [{
    The result starts at offset 0 of its own type and may have any static strides. Its element type is the base's, or
    anything where the base holds bytes (i8).

    ```mlir
    %t = rt.slot %workspace at 4096 : memref<65536xi8> to memref<4x32x64xf32>
    %g = rt.slot %grads at 128 plus %layer : memref<4096xf32> to memref<64x32xf32>
    ```
  }];
  let arguments = (ins AnyMemRef:$base, I64Attr:$offset, Optional<Index>:$dynamic);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$base `at` $offset (`plus` $dynamic^)? attr-dict `:` type($base) `to` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// What leaves a micro-batch
//===----------------------------------------------------------------------===//

def Rt_MetricOp : Rt_BufferOp<"metric", "getValue()", ""> {
  let summary = "Adds a scalar to a metric of the step.";
  let arguments = (ins StrAttr:$name, AnyMemRef:$value);
  let assemblyFormat = "$name `,` $value attr-dict `:` type($value)";
}

def Rt_CountOp : Rt_BufferOp<"count", "getWeights()", ""> {
  let summary = "Adds the sum of contiguous weights to denominator `term`.";
  let arguments = (ins AnyMemRef:$weights, I64Attr:$term);
  let assemblyFormat = "$weights attr-dict `:` type($weights)";
}

def Rt_SumOp : Rt_BufferOp<"sum", "getValues(), getTotals()", "getTotals()"> {
  let summary = "Adds contiguous values to element `element` of totals.";
  let description = [{
    What `rt.metric`, `rt.count` and partial sums become once it is known where totals lie. Sums are formed in f64; values that are
    added to a whole number are whole.

    ```mlir
    rt.sum %weights to %counts at 0 : memref<128xf32>, memref<2xi64>
    ```
  }];
  let arguments = (ins AnyMemRef:$values, AnyMemRef:$totals, I64Attr:$element);
  let assemblyFormat = "$values `to` $totals `at` $element attr-dict `:` type($values) `,` type($totals)";
  let hasVerifier = 1;
}

def Rt_FetchOp : Rt_BufferOp<"fetch", "getDevice()", "getHost()"> {
  let summary = "Copies totals of the step to where the host reads them, in order on `stream`.";
  let description = [{
    Where device and host share their memory both are one buffer, and nothing is copied.

    ```mlir
    rt.fetch %metrics to %host_metrics : memref<1xf64>, memref<1xf64>
    ```
  }];
  let arguments = (ins AnyMemRef:$device, AnyMemRef:$host, DefaultValuedAttr<I64Attr, "0">:$stream);
  let assemblyFormat = "$device `to` $host attr-dict `:` type($device) `,` type($host)";
}

def Rt_GradientsReadyOp : Rt_BufferOp<"gradients_ready", "getGradients()", ""> {
  let summary = "From here to the end of the micro-batch nothing writes this span of the gradients.";
  let description = [{
    In the last micro-batch of a step its reduction over `axes` and data parallelism may start. `build-step` turns it into
    that reduction on the communication stream.
  }];
  let arguments = (ins AnyMemRef:$gradients, StrArrayAttr:$axes);
  let assemblyFormat = "$gradients `over` $axes attr-dict `:` type($gradients)";
}

//===----------------------------------------------------------------------===//
// Communication
//===----------------------------------------------------------------------===//

/// Ops on buffers that ranks exchange; `payload` is that which is reduced, gathered, exchanged.
class Rt_CommunicationOp<string mnemonic, string read, string written, string payload>
    : Rt_BufferOp<mnemonic, read, written, [CommunicationOpInterface]> {
  code communication = "::mlir::Value getPayload() { return " # payload # "; }\n"
                       "::colo::GroupTraffic getTraffic(int64_t ranks, int64_t rounds);\n"
                       "::std::optional<::colo::rt::NcclCall> getCall(int64_t ranks);\n";
}

class Rt_CollectiveOp<string mnemonic, string payload = "getSend()">
    : Rt_CommunicationOp<mnemonic, "getSend()", "getRecv()", payload> {
  dag common = (ins AnyMemRef:$send, AnyMemRef:$recv, StrArrayAttr:$axes, UnitAttr:$data_parallel,
    DefaultValuedAttr<I64Attr, "0">:$stream, OptionalAttr<I64Attr>:$comm, OptionalAttr<I64Attr>:$site);
  let assemblyFormat = "$send `,` $recv `over` $axes attr-dict `:` type($send) `,` type($recv)";
  let extraClassDeclaration = buffers # communication;
  let hasVerifier = 1;
}

class Rt_ReducingOp<string mnemonic> : Rt_CollectiveOp<mnemonic> {
  dag kind = (ins DefaultValuedAttr<StrAttr, "\"sum\"">:$kind);
}

def Rt_AllReduceOp : Rt_ReducingOp<"all_reduce"> {
  let summary = "Element-wise sum or maximum over the ranks of a communicator; send and recv may be one buffer.";
  let description = [{
    `axes` are the tensor axes, major to minor, over which the ranks differ; with `data_parallel` over the replicas too. Sums
    are formed in rank order. `comm` and `site` index the program's tables once they exist.
  }];
  let arguments = !con(common, kind);
}
def Rt_AllGatherOp : Rt_CollectiveOp<"all_gather", "getRecv()"> {
  let summary = "The contiguous blocks of all ranks, one after the other in rank order.";
  let arguments = common;
}
def Rt_ReduceScatterOp : Rt_ReducingOp<"reduce_scatter"> {
  let summary = "The sum over the ranks of the block that belongs to this rank.";
  let arguments = !con(common, kind);
}
def Rt_AllToAllOp : Rt_CollectiveOp<"all_to_all"> {
  let summary = "Block r of send goes to rank r; block r of recv came from rank r.";
  let arguments = common;
}
def Rt_PermuteOp : Rt_CollectiveOp<"permute"> {
  let summary = "One send and one receive a rank: rank r of the group receives from rank sources[r].";
  let arguments = !con(common, (ins DenseI64ArrayAttr:$sources));
}
/// The root is `root`, in a loop with the number of its round added.
class Rt_RootedOp<string mnemonic> : Rt_ReducingOp<mnemonic> {
  let assemblyFormat = [{
    $send `,` $recv `over` $axes (`plus` $round^)? attr-dict `:` type($send) `,` type($recv)
  }];
}
def Rt_BroadcastOp : Rt_RootedOp<"broadcast"> {
  let summary = "What rank `root` of the group sends, on every rank of it.";
  let arguments = !con(common, (ins I64Attr:$root, Optional<Index>:$round));
}
def Rt_ReduceOp : Rt_RootedOp<"reduce"> {
  let summary = "Element-wise sum or maximum over the group, on rank `root`; recv of the other ranks stays as it is.";
  let arguments = !con(common, kind, (ins I64Attr:$root, Optional<Index>:$round));
}

/// `rank` is the pipeline rank that does it.
class Rt_TransferOp<string mnemonic, string read, string written>
    : Rt_CommunicationOp<mnemonic, read, written, "getBuffer()"> {
  let arguments = (ins AnyMemRef:$buffer, I64Attr:$peer, DefaultValuedAttr<I64Attr, "0">:$rank, DefaultValuedAttr<StrArrayAttr, "{}">:$axes,
    DefaultValuedAttr<I64Attr, "0">:$stream, OptionalAttr<I64Attr>:$comm, OptionalAttr<I64Attr>:$site);
  let extraClassDeclaration = buffers # communication # "bool getDataParallel() { return false; }\n";
}
def Rt_SendOp : Rt_TransferOp<"send", "getBuffer()", ""> {
  let summary = "Sends a contiguous buffer to pipeline rank `peer`, to its receive of the same turn.";
  let assemblyFormat = "$buffer `to` $peer attr-dict `:` type($buffer)";
}
def Rt_ReceiveOp : Rt_TransferOp<"receive", "", "getBuffer()"> {
  let summary = "Fills a contiguous buffer from pipeline rank `peer`, from its send of the same turn.";
  let assemblyFormat = "$buffer `from` $peer attr-dict `:` type($buffer)";
}
def Rt_GroupStartOp : Rt_Op<"group_start", []> {
  let summary = "Transfers up to `rt.group_end` advance together.";
  let assemblyFormat = "attr-dict";
}
def Rt_GroupEndOp : Rt_Op<"group_end", []> {
  let summary = "Ends when all transfers since `rt.group_start` have.";
  let assemblyFormat = "attr-dict";
}

/// With `dynamic`, one of `count` events from `event` on.
class Rt_EventOp<string mnemonic> : Rt_Op<mnemonic> {
  let arguments = (ins I64Attr:$event, I64Attr:$stream, Optional<Index>:$dynamic, DefaultValuedAttr<I64Attr, "1">:$count);
  let assemblyFormat = "(`plus` $dynamic^)? attr-dict";
  let builders = [OpBuilder<(ins "int64_t":$event, "int64_t":$stream), [{
    build($_builder, $_state, $_builder.getI64IntegerAttr(event), $_builder.getI64IntegerAttr(stream), Value(),
          $_builder.getI64IntegerAttr(1));
  }]>];
}
def Rt_RecordOp : Rt_EventOp<"record"> {
  let summary = "The event stands for all work issued on `stream` so far.";
}
def Rt_WaitOp : Rt_EventOp<"wait"> {
  let summary = "Work issued on `stream` from now on starts after what the event stands for.";
}

def Rt_ActionOp : Rt_Op<"action", []> {
  let summary = "An action of a pipeline's schedule starts here, or with `ends` has ended, as counters and traces see it.";
  let description = [{
    `kind` is the schedule's letter of it, `stage` the virtual stage that it works for, `peer` the other pipeline rank of
    a transfer. What is issued on `stream` between the two marks is the action. `index` is its row of the program's table
    once that exists.

    ```mlir
    rt.action "SA" of 0, %micro_batch {peer = 1, stream = 3}
    ```
  }];
  let arguments = (ins StrAttr:$kind, I64Attr:$stage, Index:$micro_batch, DefaultValuedAttr<I64Attr, "-1">:$peer,
    DefaultValuedAttr<I64Attr, "0">:$stream, UnitAttr:$ends, OptionalAttr<I64Attr>:$index);
  let assemblyFormat = "$kind `of` $stage `,` $micro_batch attr-dict";
}

//===----------------------------------------------------------------------===//
// Inside kernels
//===----------------------------------------------------------------------===//

def Rt_RandomWordOp : Rt_Op<"random_word", [Pure]> {
  let summary = "The 32 random bits of one element: Philox4x32-10 as in include/colo/Runtime/Philox.h.";
  let description = [{
    Key = seed; counter = (index / 4 low, index / 4 high, instance, step), the latter two cut to 32 bits; word index mod 4.

    ```mlir
    %word = rt.random_word %seed, %index, %instance, %step : i32
    ```
  }];
  let arguments = (ins I64:$seed, I64:$index, I64:$instance, I64:$step);
  let results = (outs I32:$result);
  let assemblyFormat = "$seed `,` $index `,` $instance `,` $step attr-dict `:` type($result)";
}

def Rt_ScatterAddOp : Rt_Op<"scatter_add", [Pure]> {
  let summary = "Rows of a gradient added up by id, in the order of the ids: result row i holds id `first_row` + i.";
  let description = [{
    gradient [b, ..., H...], ids [b, ...]; the result is [rows, H...]. Ids outside the result's rows are skipped.

    ```mlir
    %d = rt.scatter_add %gradient, %ids, %first : tensor<4x32x64xf32>, tensor<4x32xi32> -> tensor<256x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$gradient, AnyRankedTensor:$ids, Index:$first_row);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{$gradient `,` $ids `,` $first_row attr-dict `:` type($gradient) `,` type($ids) `->`
    type($result)}];
  let hasVerifier = 1;
}

def Rt_AttentionPart : I32EnumAttr<"AttentionPart", "what a kernel of attention makes", [
  I32EnumAttrCase<"Forward", 0, "forward">, I32EnumAttrCase<"DQuery", 1, "dquery">, I32EnumAttrCase<"DKeyDValue", 2, "dkey_dvalue">]> {
  let cppNamespace = "::colo::rt";
}

def Rt_AttentionOp : Rt_Op<"attention", [Pure, AttrSizedOperandSegments, SingleBlock]> {
  let summary = "Attention or a part of its gradient, without scores in memory (Dao, 2307.08691).";
  let description = [{
    query [b,s,a,D], key and value [b,t,c,D], c divides a; lse and delta [b,a,s]. `part` says what is made: `forward`, the output and
    lse; `dquery`; `dkey_dvalue`. The gradient's parts read lse, the output's gradient and delta, the sum of gradient * output over
    each row. `mask` [b,t] is true for the keys that may be read.

    With `into`, one value a result, these are other keys, or rows, of an attention of which part was done before: gradients are added to
    those so far; of two outputs o, o' and log-sum-exps e, e' the result is log(exp e + exp e') and (o exp e + o' exp e') over that sum.

    The region maps local indices [b,a,s,t] to positions, of which causal attention compares the last two and whose element of `sizes`
    dropout draws numbers for, with `random` = seed, instance, step. Within every `run` keys positions follow each other and the
    first is a multiple of `run`. With `ordered` positions grow with rows and with keys.

    ```mlir
    %o, %lse = rt.attention forward %q, %k, %v {…} : (…) -> (…) {
    ^bb0(%b: index, %a: index, %s: index, %t: index):
      rt.yield %b64, %a64, %s64, %t64 : i64, i64, i64, i64
    }
    ```
  }];
  let arguments = (ins Rt_AttentionPart:$part, AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value, Optional<AnyRankedTensor>:$lse,
    Optional<AnyRankedTensor>:$gradient, Optional<AnyRankedTensor>:$delta, Optional<AnyRankedTensor>:$mask, Variadic<I64>:$random,
    Variadic<AnyRankedTensor>:$into, F64Attr:$scale, UnitAttr:$causal, UnitAttr:$ordered, F64Attr:$dropout, DenseI64ArrayAttr:$sizes, I64Attr:$run);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$positions);
  let assemblyFormat = [{$part $query `,` $key `,` $value (`lse` $lse^)? (`gradient` $gradient^)? (`delta` $delta^)? (`mask` $mask^)?
    (`random` $random^)? (`into` $into^)? attr-dict `:` functional-type(operands, results) $positions}];
  let hasVerifier = 1;
}

def Rt_YieldOp : Rt_Op<"yield", [Pure, Terminator, HasParent<"AttentionOp">]> {
  let summary = "The positions of an element.";
  let arguments = (ins Variadic<I64>:$values);
  let assemblyFormat = "$values attr-dict `:` type($values)";
}

#endif // COLO_RT_OPS_TD
