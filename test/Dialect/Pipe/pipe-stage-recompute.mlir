// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2" | FileCheck %s
// RUN: sed 's/ {colo.recompute}//' %s > %t.kept
// RUN: colo-opt %t.kept --pipe-stage="stages=2 micro-batches=2" | FileCheck %s --check-prefix=KEPT
// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2" --pipe-verify-schedule=remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=AGAIN
// RUN: colo-opt %t.kept --pipe-stage="stages=2 micro-batches=2" --pipe-verify-schedule=remarks 2>&1 >/dev/null | FileCheck %s --check-prefix=ONCE
// RUN: colo-opt %s --pipe-stage="stages=2 micro-batches=2 partition=balanced" | FileCheck %s --check-prefix=BALANCED

// Backward computes the first product of a marked layer again, half of its forward; what the second makes nobody needs. Two
// marked layers are on the first stage, three others on the second.
// CHECK: costs = array<f64: 8.000000e-01, 1.2{{[^,]*}}>, recomputed = array<f64: 4.000000e-01, 0.000000e+00>
// KEPT: costs = array<f64: 8.000000e-01, 1.2{{[^,]*}}>}
// KEPT-NOT: recomputed

// The step ends with the first stage's second backward, which takes 1.6, or 2 where it computes again.
// AGAIN: remark: the schedule takes 10.00 mean forwards
// ONCE: remark: the schedule takes 9.60 mean forwards

// All five layers have one forward; what backwards compute again makes the two heavier.
// BALANCED: colo.layers @Marked({{.*}} {count = 2
// BALANCED: pipe.enter
// BALANCED: colo.layers @Plain({{.*}} {count = 3
colo.param @"a.#.u" : tensor<4x4xf32> {layers = 2, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"a.#.w" : tensor<4x4xf32> {layers = 2, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"b.#.u" : tensor<4x4xf32> {layers = 3, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"b.#.w" : tensor<4x4xf32> {layers = 3, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Marked(%x: tensor<2x4xf32>, %u: tensor<4x4xf32> {colo.param = "u"}, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %h = colo.einsum "ab,cb->ac", %x, %u {colo.recompute} : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %e = colo.exp %h {colo.recompute} : tensor<2x4xf32>
  %y = colo.einsum "ab,cb->ac", %e, %w {colo.recompute} : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func private @Plain(%x: tensor<2x4xf32>, %u: tensor<4x4xf32> {colo.param = "u"}, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %h = colo.einsum "ab,cb->ac", %x, %u : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %e = colo.exp %h : tensor<2x4xf32>
  %y = colo.einsum "ab,cb->ac", %e, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func @M(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.layers @Marked(%x) invariants() stacked() params [@"a.#.u", @"a.#.w"] {count = 2} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  %z = colo.layers @Plain(%y) invariants() stacked() params [@"b.#.u", @"b.#.w"] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  %loss = colo.reduce %z {dims = array<i64: 0, 1>, kind = 0 : i32} : tensor<2x4xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
