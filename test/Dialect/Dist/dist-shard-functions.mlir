// RUN: colo-opt %s --dist-shard="mode=1d size=2" --dist-reshard-to-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %s --dist-shard="mode=1d size=2 sequence-parallel" --dist-reshard-to-collectives --dist-verify \
// RUN:   | FileCheck %s --check-prefix=SP

// A function called twice is partitioned once; what crosses the call is complete.
// CHECK-LABEL: @MLP(%arg0: tensor<2x4x6xf32, #s_x_x_x_>
// CHECK-SAME: tensor<8x6xf32, #s_tp_x_> {colo.param = "fc"}
// CHECK-SAME: tensor<6x8xf32, #s_x_tp_> {colo.param = "proj"}
// CHECK: dist.all_reduce sum
// CHECK: return
// SP-LABEL: @MLP(%arg0: tensor<2x4x6xf32, #s_x_x_x_>
// SP: dist.reduce_scatter sum {{.*}} dim 1
// SP: return
func.func private @MLP(%x: tensor<2x4x6xf32>, %fc: tensor<8x6xf32> {colo.param = "fc"}, %proj: tensor<6x8xf32> {colo.param = "proj"}) -> tensor<2x4x6xf32> {
  %0 = colo.einsum "bsh,fh->bsf", %x, %fc : tensor<2x4x6xf32>, tensor<8x6xf32> -> tensor<2x4x8xf32>
  %1 = colo.relu %0 : tensor<2x4x8xf32>
  %2 = colo.einsum "bsf,hf->bsh", %1, %proj : tensor<2x4x8xf32>, tensor<6x8xf32> -> tensor<2x4x6xf32>
  return %2 : tensor<2x4x6xf32>
}

// CHECK-NOT: @nobodyCallsThis
func.func private @nobodyCallsThis(%x: tensor<2xf32>) {
  return
}

colo.param @a.fc : tensor<8x6xf32> {logical_shape = array<i64: 8, 6>, file_shape = array<i64: 8, 6>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @a.proj : tensor<6x8xf32> {logical_shape = array<i64: 6, 8>, file_shape = array<i64: 6, 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
// CHECK: colo.param @b.fc : tensor<8x6xf32, #s_tp_x_>
colo.param @b.fc : tensor<8x6xf32> {logical_shape = array<i64: 8, 6>, file_shape = array<i64: 8, 6>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @b.proj : tensor<6x8xf32> {logical_shape = array<i64: 6, 8>, file_shape = array<i64: 6, 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}

// CHECK-LABEL: @twoCalls
// CHECK-NOT: dist.
// CHECK: return
// SP-LABEL: @twoCalls
// SP: colo.call @MLP
// SP: dist.all_gather {{.*}} dim 1
// SP: colo.call @MLP
func.func @twoCalls(%x: tensor<2x4x6xf32>) -> tensor<2x4x6xf32> attributes {colo.role = "entry"} {
  %0 = colo.call @MLP(%x) params [@a.fc, @a.proj] : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %1 = colo.call @MLP(%0) params [@b.fc, @b.proj] {layer = 1 : i64} : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  return %1 : tensor<2x4x6xf32>
}

// Gradients of one parameter that are partial over different sets: the one that is partial over more is reduced.
// CHECK-LABEL: @gradients
// SP-LABEL: @gradients
// SP: dist.all_reduce sum
// SP: colo.grad
// SP: colo.grad
func.func @gradients(%x: tensor<2x4x6xf32>) attributes {colo.role = "evaluate"} {
  %w = colo.param_ref @a.fc : tensor<8x6xf32>
  %g = colo.param_ref @c : tensor<6xf32>
  %0 = colo.call @MLP(%x) params [@a.fc, @a.proj] : (tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %1 = colo.broadcast %g {dims = array<i64: 2>} : tensor<6xf32> -> tensor<2x4x6xf32>
  %2 = colo.mul %0, %1 : tensor<2x4x6xf32>
  %3 = colo.reduce %2 {dims = array<i64: 0, 1>, kind = 0 : i32} : tensor<2x4x6xf32> -> tensor<6xf32>
  colo.grad %3, %g : tensor<6xf32>, tensor<6xf32>
  %4 = colo.reduce %x {dims = array<i64: 0, 1>, kind = 0 : i32} : tensor<2x4x6xf32> -> tensor<6xf32>
  colo.grad %4, %g : tensor<6xf32>, tensor<6xf32>
  return
}
colo.param @c : tensor<6xf32> {logical_shape = array<i64: 6>, file_shape = array<i64: 6>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
