// RUN: colo-opt %s --split-input-file --dist-shard="mode=1d size=2" --dist-reshard-to-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %s --split-input-file --dist-shard="mode=1d size=2 sequence-parallel" | FileCheck %s --check-prefix=SP
// RUN: colo-opt %s --split-input-file --dist-shard="mode=1d size=2 sequence-size=2" | FileCheck %s --check-prefix=BESIDE
// RUN: colo-opt %s --split-input-file --dist-shard="mode=sequence size=2" | FileCheck %s --check-prefix=OTHER

// Ranks that hold copies send a part each, and gather behind the receive. A value that passes through stays a part.
// CHECK-LABEL: @copies
// CHECK: %[[PART:.*]] = dist.all_slice %{{.*}} dim 0 over @mesh ["tp"]
// CHECK: %[[E1:.*]] = pipe.enter %[[PART]] from 0 to 1 : tensor<2x4x8xf32, #s_tp_x_x_> -> tensor<2x4x8xf32, #s_tp_x_x_>
// CHECK-NOT: dist.
// CHECK: %[[E2:.*]] = pipe.enter %[[E1]] from 1 to 2 : tensor<2x4x8xf32, #s_tp_x_x_>
// CHECK-NEXT: %[[WHOLE:.*]] = dist.all_gather %[[E2]] dim 0 over @mesh ["tp"] {{.*}} -> tensor<2x4x8xf32, #s_x_x_x_>
// CHECK-NEXT: colo.layers @Layer(%[[WHOLE]])
// Cut already: nothing is done.
// SP-LABEL: @copies
// SP: pipe.enter %{{.*}} from 1 to 2 : tensor<2x4x8xf32, #s_x_tp_x_> -> tensor<2x4x8xf32, #s_x_tp_x_>
// SP-NEXT: colo.layers
// Beside a sequence tp cuts what the sequence leaves.
// BESIDE-LABEL: @copies
// BESIDE: pipe.enter %{{.*}} from 1 to 2 : tensor<2x4x8xf32, #s_tp_sp_x_> -> tensor<2x4x8xf32, #s_tp_sp_x_>
// OTHER-LABEL: @copies
// OTHER: pipe.enter %{{.*}} from 1 to 2 : tensor<2x4x8xf32, #s_x_sp_x_> -> tensor<2x4x8xf32, #s_x_sp_x_>
func.func private @Layer(%x: tensor<2x4x8xf32>) -> tensor<2x4x8xf32> {
  %y = colo.exp %x : tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}
func.func @copies(%x: tensor<2x4x8xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.layers @Layer(%x) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %e1 = pipe.enter %y from 0 to 1 : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %e2 = pipe.enter %e1 from 1 to 2 : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %z = colo.layers @Layer(%e2) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %sum = colo.reduce %z {dims = array<i64: 0, 1, 2>, kind = 0 : i32} : tensor<2x4x8xf32> -> tensor<f32>
  colo.metric "loss", %sum : tensor<f32>
  return
}

// -----

// The first dim that divides is cut; where none does the value is sent whole. A partial sum is scattered, not reduced.
// CHECK-LABEL: @dims
// CHECK: pipe.enter %{{.*}} from 0 to 1 : tensor<3x5x8xf32, #s_x_x_tp_>
// CHECK: pipe.enter %{{.*}} from 0 to 1 : tensor<3x5x7xf32, #s_x_x_x_>
// CHECK: %[[SUM:.*]] = colo.einsum "bsi,oi->bso", {{.*}} -> tensor<3x5x4xf32, #s_x_x_x_sum_tp_>
// CHECK-NOT: dist.all_reduce
// CHECK: %[[PART:.*]] = dist.reduce_scatter sum %[[SUM]] dim 2 over @mesh ["tp"]
// CHECK-NEXT: pipe.enter %[[PART]] from 0 to 1 : tensor<3x5x4xf32, #s_x_x_tp_>
colo.param @up : tensor<16x8xf32> {logical_shape = array<i64: 16, 8>, file_shape = array<i64: 16, 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @down : tensor<4x16xf32> {logical_shape = array<i64: 4, 16>, file_shape = array<i64: 4, 16>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @dims(%x: tensor<3x5x8xf32> {colo.input = "x"}, %y: tensor<3x5x7xf32> {colo.input = "y"}) attributes {colo.role = "entry"} {
  %up = colo.param_ref @up : tensor<16x8xf32>
  %down = colo.param_ref @down : tensor<4x16xf32>
  %a = colo.exp %x : tensor<3x5x8xf32>
  %a1 = pipe.enter %a from 0 to 1 : tensor<3x5x8xf32> -> tensor<3x5x8xf32>
  %b = colo.exp %y : tensor<3x5x7xf32>
  %b1 = pipe.enter %b from 0 to 1 : tensor<3x5x7xf32> -> tensor<3x5x7xf32>
  %h = colo.einsum "bsi,oi->bso", %a, %up : tensor<3x5x8xf32>, tensor<16x8xf32> -> tensor<3x5x16xf32>
  %c = colo.einsum "bsi,oi->bso", %h, %down : tensor<3x5x16xf32>, tensor<4x16xf32> -> tensor<3x5x4xf32>
  %c1 = pipe.enter %c from 0 to 1 : tensor<3x5x4xf32> -> tensor<3x5x4xf32>
  %sa = colo.reduce %a1 {dims = array<i64: 0, 1, 2>, kind = 0 : i32} : tensor<3x5x8xf32> -> tensor<f32>
  %sb = colo.reduce %b1 {dims = array<i64: 0, 1, 2>, kind = 0 : i32} : tensor<3x5x7xf32> -> tensor<f32>
  %sc = colo.reduce %c1 {dims = array<i64: 0, 1, 2>, kind = 0 : i32} : tensor<3x5x4xf32> -> tensor<f32>
  colo.metric "a", %sa : tensor<f32>
  colo.metric "b", %sb : tensor<f32>
  colo.metric "loss", %sc : tensor<f32>
  return
}

// -----

// At the turn of a V both stages are on one rank, and nothing is sent.
// CHECK-LABEL: @turn
// CHECK: pipe.enter %{{.*}} from 0 to 1 : tensor<2x4x8xf32, #s_tp_x_x_>
// CHECK: %[[WHOLE:.*]] = dist.all_gather
// CHECK-NOT: dist.
// CHECK: pipe.enter %{{.*}} from 1 to 2 : tensor<2x4x8xf32, #s_x_x_x_>
// CHECK: pipe.enter %{{.*}} from 2 to 3 : tensor<2x4x8xf32, #s_tp_x_x_>
pipe.schedule @schedule stages 2 chunks 2 placement "vee" micro_batches 1 { "", "" }
func.func private @Layer(%x: tensor<2x4x8xf32>) -> tensor<2x4x8xf32> {
  %y = colo.exp %x : tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}
func.func @turn(%x: tensor<2x4x8xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.layers @Layer(%x) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %e1 = pipe.enter %y from 0 to 1 : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %z = colo.layers @Layer(%e1) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %e2 = pipe.enter %z from 1 to 2 : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %u = colo.layers @Layer(%e2) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %e3 = pipe.enter %u from 2 to 3 : tensor<2x4x8xf32> -> tensor<2x4x8xf32>
  %v = colo.layers @Layer(%e3) invariants() stacked() params [] {count = 1} : (tensor<2x4x8xf32>) () () -> (tensor<2x4x8xf32>) () ()
  %sum = colo.reduce %v {dims = array<i64: 0, 1, 2>, kind = 0 : i32} : tensor<2x4x8xf32> -> tensor<f32>
  colo.metric "loss", %sum : tensor<f32>
  return
}
