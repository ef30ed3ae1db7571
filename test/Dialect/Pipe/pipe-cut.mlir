// RUN: colo-opt %s --pipe-cut | FileCheck %s
// RUN: sed 's/B0",/I0,W0",/; s/B0,SG0>0"/I0,SG0>0,W0"/' %s | colo-opt --pipe-cut | FileCheck %s --check-prefix=SPLIT

// One function a stage and direction. The mask is computed where it is read; the forward of stage 0 keeps what its backward
// reads, and a view of it is made again. A table that both ranks read has a copy on each.

// CHECK: colo.param @w : {{.*}} pipe.rank = 0 : i64, pipe.shared = array<i64: 0, 1>}
// CHECK: colo.param @"w@rank1" : {{.*}} pipe.copy_of = @w, pipe.name = "w", pipe.rank = 1 : i64, pipe.shared = array<i64: 0, 1>}

// CHECK: func.func @M.F0(%[[X:.*]]: tensor<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>)
// CHECK-SAME: colo.role = "stage", pipe.leaving = 1 : i64, pipe.reads = array<i64: -1>, pipe.stage = 0 : i64, pipe.task = "F", pipe.writes = array<i64: 0, 1>
// CHECK: %[[W:.*]] = colo.param_ref @w
// CHECK: %[[H:.*]] = colo.einsum "ab,cb->ac", %[[X]], %[[W]]
// CHECK: %[[A:.*]] = colo.exp %[[H]]
// CHECK: return %[[A]], %[[A]]

// CHECK: func.func @M.B0(%[[X:.*]]: tensor<2x4xf32>, %[[D:.*]]: tensor<2x4xf32>, %[[KEPT:.*]]: tensor<2x4xf32>)
// CHECK-SAME: pipe.leaving = 0 : i64, pipe.reads = array<i64: -1, 2, 1>, pipe.stage = 0 : i64, pipe.task = "B", pipe.writes = array<i64>
// CHECK: %[[VIEW:.*]] = colo.reshape %[[KEPT]]
// CHECK: colo.grad

// CHECK: func.func @M.F1(%[[E:.*]]: tensor<2x4xf32>)
// CHECK-SAME: pipe.reads = array<i64: 0>, pipe.stage = 1 : i64, pipe.task = "F"
// CHECK: colo.param_ref @"w@rank1"
// CHECK: colo.metric "loss"

// CHECK: func.func @M.B1(%[[E:.*]]: tensor<2x4xf32>) -> tensor<2x4xf32>
// CHECK-SAME: pipe.leaving = 1 : i64, pipe.reads = array<i64: 0>, pipe.stage = 1 : i64, pipe.task = "B", pipe.writes = array<i64: 2>
// CHECK: colo.constant 1.0
// CHECK: colo.grad %{{.*}}, %{{.*}}

// What is left says what the inputs are.
// CHECK: func.func @M(%{{.*}}: tensor<2x4xf32> {colo.input = "x"})
// CHECK-NEXT: return

// Gradients of parameters alone come apart.
// SPLIT: func.func @M.I0
// SPLIT-NOT: colo.grad
// SPLIT: func.func @M.W0
// SPLIT: colo.grad
// SPLIT: func.func @M.I1() -> tensor<2x4xf32>
// SPLIT-SAME: pipe.leaving = 1
// SPLIT-NOT: colo.grad
// SPLIT: func.func @M.W1(%[[E:.*]]: tensor<2x4xf32>)
// SPLIT: colo.grad
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {
  "F0,SA0>1,RG0<1,B0",
  "RA0<0,F0,B0,SG0>0"
}
colo.param @w : tensor<4x4xf32> {logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @M(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %w0 = colo.param_ref @w {pipe.stage = 0 : i64} : tensor<4x4xf32>
  %h = colo.einsum "ab,cb->ac", %x, %w0 : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %a = colo.exp %h : tensor<2x4xf32>
  %view = colo.reshape %a : tensor<2x4xf32> -> tensor<8xf32>
  %e = pipe.enter %a from 0 to 1 : tensor<2x4xf32> -> tensor<2x4xf32>
  %w1 = colo.param_ref @w {pipe.stage = 1 : i64} : tensor<4x4xf32>
  %y = colo.einsum "ab,cb->ac", %e, %w1 : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %loss = colo.reduce %y {kind = 0 : i32, dims = array<i64: 0, 1>} : tensor<2x4xf32> -> tensor<f32>
  %l = pipe.enter %loss from 1 to 1 : tensor<f32> -> tensor<f32>
  colo.metric "loss", %l : tensor<f32>
  %one = colo.constant 1.0 : tensor<f32>
  %t = pipe.enter %one from 1 to 1 {backward} : tensor<f32> -> tensor<f32>
  %dy = colo.broadcast %t {dims = array<i64>} : tensor<f32> -> tensor<2x4xf32>
  %dw1 = colo.einsum "ac,ab->cb", %dy, %e : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<4x4xf32>
  colo.grad %dw1, %w1 : tensor<4x4xf32>, tensor<4x4xf32>
  %de = colo.einsum "ac,cb->ab", %dy, %w1 : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  %d = pipe.enter %de from 1 to 0 {backward} : tensor<2x4xf32> -> tensor<2x4xf32>
  %flat = colo.reshape %d : tensor<2x4xf32> -> tensor<8xf32>
  %product = colo.mul %flat, %view : tensor<8xf32>
  %dh = colo.reshape %product : tensor<8xf32> -> tensor<2x4xf32>
  %dw0 = colo.einsum "ac,ab->cb", %dh, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<4x4xf32>
  colo.grad %dw0, %w0 : tensor<4x4xf32>, tensor<4x4xf32>
  return
}
