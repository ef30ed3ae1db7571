//===- PipeOps.td - pipeline stages and schedules -----------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PIPE_OPS_TD
#define PIPE_OPS_TD

include "colo/Dialect/Colo/ColoInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Pipe_Dialect : Dialect {
  let name = "pipe";
  let cppNamespace = "::colo::pipe";
  let summary = "Pipeline parallelism: which virtual stage computes what, and in which order.";
  let description = [{
    A virtual stage is a part of the model along its layers; a pipeline rank runs one or several. Until the program is cut,
    the entry function stays one function, in which `pipe.enter` marks every value that goes from stage to stage. An op
    belongs to the stage of its operands.
  }];
}

class Pipe_Op<string mnemonic, list<Trait> traits = []> : Op<Pipe_Dialect, mnemonic, traits>;

def Pipe_EnterOp : Pipe_Op<"enter", [DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<TransferOpInterface>]> {
  let summary = "The operand, a value of virtual stage `from`, as virtual stage `to` sees it.";
  let description = [{
    The stages are neighbours. With `backward` the value is a gradient; from a stage to itself it is where the stage's backward
    starts. The value keeps its layout, so that what is sent is what a rank holds, and it is complete. Where the stages run on
    different ranks, as the schedule says (without one, all do), the layout is the one in which the tensor mode sends.

    ```mlir
    %x1 = pipe.enter %x0 from 0 to 1 : tensor<4x32x64xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$from, I64Attr:$to, UnitAttr:$backward);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $from `to` $to attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Pipe_ScheduleOp : Pipe_Op<"schedule", [Symbol]> {
  let summary = "The order in which pipeline ranks run the virtual stages' micro-batches: one list of actions a rank.";
  let description = [{
    `actions` has one string a rank, in the form of schedule files (docs/schedules.md), transfers included. `placement` is
    `loop` or `vee`; `costs`, where it is there, what each virtual stage's forward takes, in any one unit, and
    `recomputed` what its backward takes in addition to two forwards. Whether it is a schedule at all is for `pipe-verify-schedule` to say.

    ```mlir
    pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 2 {
      "F0 SA0>1 F1 SA1>1 RG0<1 B0 RG1<1 B1",
      "RA0<0 F0 B0 SG0>0 RA1<0 F1 B1 SG1>0"
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$stages, I64Attr:$chunks, StrAttr:$placement,
    I64Attr:$micro_batches, StrArrayAttr:$actions, OptionalAttr<DenseF64ArrayAttr>:$costs,
    OptionalAttr<DenseF64ArrayAttr>:$recomputed);
  let assemblyFormat = [{
    $sym_name `stages` $stages `chunks` $chunks `placement` $placement `micro_batches` $micro_batches
    custom<Actions>($actions) attr-dict
  }];
  let hasVerifier = 1;
}

#endif // PIPE_OPS_TD
