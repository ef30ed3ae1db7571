// RUN: colo-opt %s -sums-to-kernels | FileCheck %s
// RUN: colo-opt %s -sums-to-kernels -lower-gpu-kernels | FileCheck %s --check-prefix=GPU

// Sums of the same types share a kernel.
// CHECK-LABEL: func.func @sums
func.func @sums(%a: memref<300xf32>, %b: memref<300xf32>, %loss: memref<1xf32>, %counts: memref<2xi64>, %metrics: memref<1xf64>, %many: memref<10000xf64>) {
  // CHECK: rt.launch @step.sum0(%{{.*}}, %c0{{.*}}) outs(%{{.*}}) {extent = 1 : i64}
  rt.sum %a to %counts at 0 : memref<300xf32>, memref<2xi64>
  // CHECK: rt.launch @step.sum0(%{{.*}}, %c1{{.*}}) outs
  rt.sum %b to %counts at 1 : memref<300xf32>, memref<2xi64>
  // CHECK: rt.launch @step.sum1
  rt.sum %loss to %metrics at 0 : memref<1xf32>, memref<1xf64>
  // CHECK: rt.launch @step.sum2
  rt.sum %many to %metrics at 0 : memref<10000xf64>, memref<1xf64>
  return
}
// A block adds up, its first thread writes.
// GPU: gpu.func @step.sum0
// GPU: gpu.shuffle
// GPU: gpu.barrier
// GPU: scf.if
// GPU: memref.store
// Of many elements a block of more threads takes four each at once, and then the rest.
// GPU: gpu.func @step.sum2
// GPU-SAME: known_block_size = array<i32: 1024, 1, 1>
// GPU: scf.for
// GPU-COUNT-4: memref.load
// GPU: scf.yield
// GPU: scf.for
// GPU: memref.load
// GPU: scf.yield
// GPU: gpu.shuffle

// CHECK-LABEL: func.func @without_sums
// CHECK-NEXT: return
func.func @without_sums() {
  return
}

// CHECK: func.func private @step.sum0(%{{.*}}: memref<300xf32>, %{{.*}}: index, %{{.*}}: memref<2xi64>
// CHECK: arith.fptosi
// CHECK: func.func private @step.sum1
