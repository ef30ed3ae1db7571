// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2" | FileCheck %s

// A stage's own copy of what parameters and constants make (%s) stands at the stage's start; the constant that it reads stood behind
// that, after the product that starts stage 0.

// CHECK-LABEL: func.func @M(
// CHECK: %[[TWO:.*]] = colo.constant
// CHECK: %[[S0:.*]] = colo.mul %{{.*}}, %[[TWO]]
// CHECK: colo.einsum "ab,cb->ac"
// CHECK: colo.layers @Layer(%{{.*}}) invariants(%[[S0]])
// CHECK: %[[S1:.*]] = colo.mul %{{.*}}, %[[TWO]]
// CHECK: colo.layers @Layer(%{{.*}}) invariants(%[[S1]])
colo.param @table : tensor<4x4xf32> {logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @gate : tensor<2x4xf32> {logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"h.#.w" : tensor<4x4xf32> {layers = 2, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Layer(%x: tensor<2x4xf32>, %s: tensor<2x4xf32>, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %y = colo.einsum "ab,cb->ac", %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %z = colo.mul %y, %s : tensor<2x4xf32>
  return %z : tensor<2x4xf32>
}
func.func @M(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %table = colo.param_ref @table : tensor<4x4xf32>
  %gate = colo.param_ref @gate : tensor<2x4xf32>
  %mixed = colo.einsum "ab,cb->ac", %table, %table : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %two = colo.constant 2.0 : tensor<2x4xf32>
  %s = colo.mul %gate, %two : tensor<2x4xf32>
  %y = colo.layers @Layer(%x) invariants(%s) stacked() params [@"h.#.w"] {count = 2} : (tensor<2x4xf32>) (tensor<2x4xf32>) () -> (tensor<2x4xf32>) () ()
  %out = colo.einsum "ab,bc->ac", %y, %mixed : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %ones = colo.constant 1.0 : tensor<2x4xf32>
  %loss = colo.weighted_mean %out, %ones : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
