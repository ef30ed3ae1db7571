// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2" | FileCheck %s
// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2 partition=1,2" | FileCheck %s --check-prefix=LIST
// RUN: colo-opt %s --pipe-stage="stages=1" | FileCheck %s --check-prefix=ONE

// A run of three layers over two stages; the shift of every layer and the mask are values of inputs and constants, computed
// by whoever reads them; the table is read by both stages, the skip passes through.

// ONE-NOT: pipe
// CHECK: pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 2
// CHECK-LABEL: func.func @M(
// CHECK-SAME: %[[X:.*]]: tensor<2x4xf32>
// CHECK: %[[SHIFT:.*]] = colo.constant
// CHECK-DAG: %[[T0:.*]] = colo.param_ref @table {pipe.stage = 0 : i64}
// CHECK: %[[SKIP:.*]] = colo.einsum "ab,cb->ac", %[[X]], %[[T0]]
// CHECK: %[[A:.*]] = colo.layers @Layer(%[[SKIP]]) invariants(%[[SHIFT]]) stacked() params [@"h.#.w"] {count = 1
// CHECK: %[[E:.*]] = pipe.enter %[[A]] from 0 to 1
// CHECK-DAG: %[[T1:.*]] = colo.param_ref @table {pipe.stage = 1 : i64}
// CHECK-DAG: %[[S1:.*]] = pipe.enter %[[SKIP]] from 0 to 1
// CHECK: %[[B:.*]] = colo.layers @Layer(%[[E]]) invariants(%[[SHIFT]]) stacked() params [@"h.#.w@1"] {count = 2 : i64, first_layer = 1
// CHECK: %[[SUM:.*]] = colo.add %[[B]], %[[S1]]
// CHECK: colo.einsum "ab,bc->ac", %[[SUM]]
// CHECK: %[[LOSS:.*]] = pipe.enter %{{.*}} from 1 to 1 : tensor<f32>
// CHECK: colo.metric "loss", %[[LOSS]]

// LIST: params [@"h.#.w"] {count = 1
// LIST: params [@"h.#.w@1"] {count = 2
colo.param @table : tensor<4x4xf32> {logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"h.#.w" : tensor<4x4xf32> {layers = 3, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Layer(%x: tensor<2x4xf32>, %shift: tensor<2x4xf32>, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %y = colo.einsum "ab,cb->ac", %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %z = colo.add %y, %shift : tensor<2x4xf32>
  return %z : tensor<2x4xf32>
}
func.func @M(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %shift = colo.constant 1.0 : tensor<2x4xf32>
  %table = colo.param_ref @table : tensor<4x4xf32>
  %turned = colo.transpose %table {permutation = array<i64: 1, 0>} : tensor<4x4xf32> -> tensor<4x4xf32>
  %skip = colo.einsum "ab,cb->ac", %x, %table : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %y = colo.layers @Layer(%skip) invariants(%shift) stacked() params [@"h.#.w"] {count = 3} : (tensor<2x4xf32>) (tensor<2x4xf32>) () -> (tensor<2x4xf32>) () ()
  %sum = colo.add %y, %skip : tensor<2x4xf32>
  %out = colo.einsum "ab,bc->ac", %sum, %turned : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %rows = colo.reduce %out {kind = 0 : i32, dims = array<i64: 1>} : tensor<2x4xf32> -> tensor<2xf32>
  %weights = colo.constant 1.0 : tensor<2xf32>
  %loss = colo.weighted_mean %rows, %weights : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
