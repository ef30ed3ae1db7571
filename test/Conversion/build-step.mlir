// RUN: colo-opt %s -build-step | FileCheck %s

// Two micro-batches of four rows; the span that the entry function announces is reduced on stream 1 in the last
// micro-batch, the rest of the segment after it; then norm, clipping and SGD with momentum.
module attributes {
    colo.param_elements = 64 : i64,
    colo.segments = [{begin = 0 : i64, decay = true, end = 64 : i64, owner_axes = ["tp"], reduce = ["tp"]}],
    colo.training = {optimizer = "SGD", momentum = 9.0e-01, dampening = 1.0e-01, clipGradNorm = 1.0, batchSize = 8 : i64, microBatch = 4 : i64}} {
  dist.mesh @mesh <["tp"=2]>
  colo.param @"h.#.w" : tensor<16xf32> {layers = 2 : i64, logical_shape = array<i64: 16>, file_shape = array<i64: 16>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>, layer_stride = 16 : i64, offset = 0 : i64, segment = 0 : i64}
  // CHECK-LABEL: func.func @M
  func.func @M(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<4x8xf32> {colo.input = "x"}, %p: memref<64xf32>, %g: memref<64xf32>, %last: i1) attributes {colo.role = "entry"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c16 = arith.constant 16 : index
    %n = rt.inverse_count {term = 0 : i64} : f64
    %l = rt.slot %ws at 0 : memref<64xi8> to memref<f32>
    // The sum of denominators over replicas is waited for where the first is read, by the host too.
    // CHECK: rt.sum %{{.*}} to %{{.*}} at 0 : memref<1xf32>, memref<1xf64>
    // CHECK: rt.wait {event = 3 : i64, stream = 0 : i64}
    // CHECK: rt.host_wait {event = 3 : i64}
    // CHECK: rt.buffer "host_counts"
    // CHECK: memref.store
    // CHECK: %[[N:.*]] = rt.inverse_count
    // CHECK-NEXT: arith.mulf %[[N]], %[[N]]
    rt.metric "loss", %l : memref<f32>
    %twice = arith.mulf %n, %n : f64
    scf.for %i = %c0 to %c2 step %c1 {
      %o = arith.muli %i, %c16 : index
      %s = rt.slot %g at 0 plus %o : memref<64xf32> to memref<16xf32>
      // CHECK: scf.if %{{.*}} {
      // CHECK: rt.record {event = 0 : i64, stream = 0 : i64}
      // CHECK: rt.wait {event = 0 : i64, stream = 1 : i64}
      // CHECK: rt.all_reduce %{{.*}} over ["tp"] {data_parallel, stream = 1 : i64} : memref<16xf32>
      // CHECK: } {rt.last_micro_batch}
      rt.gradients_ready %s over ["tp"] : memref<16xf32>
    }
    return
  }
  // CHECK-LABEL: func.func @M.count
  func.func @M.count(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<4x8xf32>, %p: memref<64xf32>, %g: memref<64xf32>, %last: i1) attributes {colo.role = "count"} {
    // CHECK: rt.sum %{{.*}} to %{{.*}} at 0 : memref<8xf32>, memref<1xi64>
    %w = rt.slot %ws at 0 : memref<64xi8> to memref<2x4xf32>
    rt.count %w {term = 0 : i64} : memref<2x4xf32>
    return
  }
  // CHECK-LABEL: func.func @colo_step() attributes {colo.role = "step"}
  // Denominators come first: all micro-batches, then all replicas.
  // CHECK: func.call @M.count
  // CHECK: %[[COUNTS:.*]] = rt.buffer "counts"
  // CHECK: rt.all_reduce %[[COUNTS]], %[[COUNTS]] over [] {data_parallel, stream = 2 : i64}
  // CHECK: %[[SUMMED:.*]] = rt.buffer "counts"
  // CHECK: %[[READ:.*]] = rt.buffer "host_counts"
  // CHECK: rt.fetch %[[SUMMED]] to %[[READ]] {stream = 2 : i64}
  // CHECK: rt.record {event = 3 : i64, stream = 2 : i64}
  // CHECK: scf.for
  // CHECK: func.call @M(
  // CHECK: } {rt.micro_batches = 2 : i64}
  // What was not announced: elements 32 to 64.
  // CHECK: %[[REST:.*]] = rt.slot %{{.*}} at 32 : memref<64xf32> to memref<32xf32>
  // CHECK: rt.all_reduce %[[REST]], %[[REST]] over ["tp"] {data_parallel, stream = 1 : i64}
  // CHECK: rt.wait {event = 1 : i64, stream = 0 : i64}
  // The norm counts a replicated segment on one rank only.
  // CHECK: rt.axis_index "tp"
  // CHECK: rt.launch @optimizer.squares
  // CHECK: rt.sum %{{.*}} to %[[NORM:.*]] at 0 : memref<1xf64>, memref<1xf64>
  // CHECK: rt.all_reduce %[[NORM]], %[[NORM]] over ["tp"] : memref<1xf64>
  // CHECK: rt.fetch
  // CHECK: rt.host_wait {event = 1 : i64}
  // CHECK: %[[NORM:.*]] = rt.buffer "host_grad_norm"
  // CHECK: %[[SQUARES:.*]] = memref.load %[[NORM]]
  // CHECK: math.sqrt %[[SQUARES]]
  // CHECK: arith.minimumf
  // CHECK: rt.launch @optimizer.update
  // CHECK-SAME: {extent = 64 : i64}
  // CHECK-LABEL: func.func private @optimizer.update
  // CHECK-SAME: rt.kernel
  // Momentum: the velocity is stored, then the parameter.
  // CHECK: memref.store
  // CHECK: memref.store
  // CHECK-NOT: memref.store
}
