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
    `micro_batches` (of this step), `dp` and `replica`. Of type f64: `lr`, `bias_correction1`, `bias_correction2`.

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

def Rt_LaunchOp : Rt_Op<"launch", [AttrSizedOperandSegments]> {
  let summary = "Runs a kernel, a private function with the attribute `rt.kernel`.";
  let description = [{
    On tensors the operands are tensors and scalars and the results are tensors, exactly the kernel's signature. On memrefs
    the results have become destinations, which overlap neither operands nor each other.

    ```mlir
    %r = rt.launch @k3(%a, %b, %off) : (tensor<4x64xf32>, tensor<64xf32>, index) -> (tensor<4x64xf32>)
    rt.launch @k3(%a, %b, %off) outs(%r) : (memref<4x64xf32>, memref<64xf32>, index) -> () outs memref<4x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Rt_Data>:$inputs, Variadic<AnyMemRef>:$outs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` (`outs` `(` $outs^ `)`)? attr-dict `:`
    functional-type($inputs, $results) (`outs` type($outs)^)?
  }];
  let hasVerifier = 1;
}

#endif // COLO_RT_OPS_TD
