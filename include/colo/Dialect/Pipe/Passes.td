//===- Passes.td - pipeline parallelism ---------------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PIPE_PASSES_TD
#define PIPE_PASSES_TD

include "mlir/Pass/PassBase.td"

class Pipe_Pass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::colo::pipe::PipeDialect", "::colo::ColoDialect"];
}

def StagePass : Pipe_Pass<"pipe-stage"> {
  let summary = "Give each layer of the model to a virtual stage and mark what goes from stage to stage.";
  let description = [{
    The layers are those of the runs (`colo.layers`) of the entry function, or its calls where there is no run. A run of
    several stages becomes one run a stage, with parameters of its own. What comes before the first layer belongs to the
    first stage, everything else to the stage of the layer before it. Cheap values of parameters are computed where they
    are used; what is computed from inputs and constants alone belongs to no stage. The loss enters its own stage, so that
    differentiation marks where the backward starts. Adds the schedule, with transfers.

    In: the global program, before differentiation. Out: the same; with one pipeline rank unchanged.
    Errors: fewer layers than virtual stages, a list that does not add up, a schedule that the sizes do not allow, a run
    that cannot be cut.

    ```mlir
    %y = colo.layers @Block(%x) invariants() stacked() params [@"h.#.w"] {count = 4} : ...
    // becomes, with two stages
    %m = colo.layers @Block(%x) invariants() stacked() params [@"h.#.w"] {count = 2} : ...
    %e = pipe.enter %m from 0 to 1 : tensor<4x8xf32> -> tensor<4x8xf32>
    %y = colo.layers @Block(%e) invariants() stacked() params [@"h.#.w@2"] {count = 2, first_layer = 2} : ...
    ```
  }];
  let options = [
    Option<"stages", "stages", "int64_t", "1", "pipeline ranks">,
    Option<"chunks", "chunks", "int64_t", "1", "virtual stages of each rank">,
    Option<"schedule", "schedule", "std::string", "\"1f1b\"", "name of the schedule">,
    Option<"scheduleText", "schedule-text", "std::string", "\"\"", "the user's own schedule, in place of a name">,
    Option<"microBatches", "micro-batches", "int64_t", "1", "micro-batches of a step">,
    Option<"partition", "partition", "std::string", "\"uniform\"", "uniform, balanced, or layers of each virtual stage">,
  ];
}

def VerifySchedulePass : Pipe_Pass<"pipe-verify-schedule"> {
  let summary = "Prove that the schedule runs every action once, in a legal order, without a deadlock.";
  let description = [{
    In and out: a module with at most one `pipe.schedule`. Errors: everything that `ScheduleProblem::verify` finds; the
    message names the two actions involved. With `remarks` it also says how long the simulation takes, how much of it ranks
    idle and how many activations they keep.

    ```mlir
    pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0, B0", "B0, F0"}
    // error: rank 1, action 0 (B0) needs rank 1, action 1 (F0), which comes later
    ```
  }];
  let options = [Option<"remarks", "remarks", "bool", "false", "remark on the simulated run">];
}

def CutPass : Pipe_Pass<"pipe-cut"> {
  let summary = "Cut the entry function into one function a virtual stage and direction.";
  let description = [{
    In: local shapes, `pipe.enter` in the entry and the evaluation function. Out: for each virtual stage its forward and its
    backward (`pipe.task`), whose arguments and results are values of one numbering: model inputs, what other stages send,
    what the forward keeps for the backward. The entry function keeps its signature only. Parameters know their pipeline
    rank; one that several ranks read has a copy on each. Without a schedule the module is unchanged.
    Errors: an op that reads values of two stages.

    ```mlir
    func.func private @M.F0(%tokens: tensor<4x8xi32>) -> tensor<4x8x16xf32>
      attributes {colo.role = "stage", pipe.stage = 0 : i64, pipe.task = "F", ...}
    ```
  }];
}

#endif // PIPE_PASSES_TD
