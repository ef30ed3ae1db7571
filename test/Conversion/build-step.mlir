// RUN: colo-opt %s -build-step -split-input-file | FileCheck %s

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
    // The sum of denominators over replicas is waited for where the first is read.
    // CHECK: rt.sum %{{.*}} to %{{.*}} at 0 : memref<1xf32>, memref<1xf64>
    // CHECK: rt.wait {event = 3 : i64, stream = 0 : i64}
    // CHECK: rt.launch @step.inverses(%{{.*}}) outs(%{{.*}}) {extent = 1 : i64} : (memref<1xi64>) -> () outs memref<1xf64>
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
  // CHECK-LABEL: func.func private @step.inverses
  // CHECK: arith.select
  // CHECK-LABEL: func.func @colo_step() attributes {colo.role = "step"}
  // Denominators come first: all micro-batches, then all replicas.
  // CHECK: func.call @M.count
  // CHECK: %[[COUNTS:.*]] = rt.buffer "counts"
  // CHECK: rt.all_reduce %[[COUNTS]], %[[COUNTS]] over [] {data_parallel, stream = 2 : i64}
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
  // CHECK: rt.launch @optimizer.squares{{.*}} {extent = 1 : i64, rt.bytes = 264 : i64}
  // CHECK: rt.sum %{{.*}} to %[[NORM:.*]] at 0 : memref<1xf64>, memref<1xf64>
  // CHECK: rt.all_reduce %[[NORM]], %[[NORM]] over ["tp"] : memref<1xf64>
  // The host computes nothing and waits for nothing: the norm and the factors of the update are a kernel's.
  // CHECK: rt.launch @optimizer.factors(%{{.*}}) outs(%{{.*}}, %[[FACTORS:.*]]) {extent = 1 : i64}
  // CHECK: rt.fetch %{{.*}} to %{{.*}} : memref<1xf64>, memref<1xf64>
  // CHECK: rt.launch @optimizer.update(%{{.*}}, %{{.*}}, %[[FACTORS]], %{{[a-z0-9_]+}})
  // Of each element a gradient is read, a parameter and its momentum are read and written.
  // CHECK-SAME: {extent = 64 : i64, rt.bytes = 1280 : i64}
  // CHECK-LABEL: func.func private @optimizer.factors
  // CHECK: math.sqrt
  // CHECK: arith.minimumf
  // CHECK-LABEL: func.func private @optimizer.update
  // CHECK-SAME: rt.kernel
  // Momentum: the velocity is stored, then the parameter.
  // CHECK: memref.store
  // CHECK: memref.store
  // CHECK-NOT: memref.store
}

// -----

// With a loss scale the kernels know whether there is an update: the norm, divided by the scale, is finite. Where it is not, the update has no
// elements. The copies that the program reads are stored beside the parameters.
module attributes {
    colo.param_elements = 64 : i64,
    colo.segments = [{begin = 0 : i64, decay = true, end = 64 : i64, owner_axes = [], reduce = []}],
    colo.training = {optimizer = "SGD", dampening = 1.0e-01, clipGradNorm = 1.0, batchSize = 4 : i64, microBatch = 4 : i64, lossScale = 8.0}} {
  colo.param @w : tensor<64xf32> {logical_shape = array<i64: 64>, file_shape = array<i64: 64>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>, layer_stride = 0 : i64, offset = 0 : i64, read_as = f16, segment = 0 : i64}
  func.func @M(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<4x8xf32> {colo.input = "x"}, %p: memref<64xf16>, %g: memref<64xf32>, %last: i1) attributes {colo.role = "entry"} {
    return
  }
  // CHECK-LABEL: func.func @colo_step
  // CHECK-DAG: %[[UPDATES:.*]] = rt.scalar "updates" : i64
  // CHECK-DAG: %[[SCALE:.*]] = rt.scalar "loss_scale" : f64
  // CHECK: rt.launch @optimizer.factors(%{{.*}}, %{{.*}}, %{{.*}}, %[[UPDATES]], %[[SCALE]])
  // CHECK: rt.launch @optimizer.update({{.*}}rt.bytes = 896 : i64{{.*}}outs memref<64xf32>, memref<64xf16>
  // CHECK-LABEL: func.func private @optimizer.factors
  // CHECK-SAME: %[[SCALE:[a-z0-9]+]]: f64, %{{[a-z0-9]+}}: memref<1xf64>
  // CHECK: %[[ROOT:.*]] = math.sqrt
  // CHECK: %[[NORM:.*]] = arith.divf %[[ROOT]], %[[SCALE]]
  // CHECK: %[[CLIP:.*]] = arith.minimumf
  // CHECK: memref.store %[[NORM]]
  // CHECK: %[[SCALED:.*]] = arith.divf %[[CLIP]], %[[SCALE]]
  // CHECK: %[[FINITE:.*]] = arith.cmpf olt, %[[NORM]]
  // CHECK: %[[APPLY:.*]] = arith.select %[[FINITE]]
  // CHECK-DAG: memref.store %[[APPLY]], %{{.*}}[%c5{{[_0-9]*}}]
  // CHECK-DAG: memref.store %[[SCALED]], %{{.*}}[%c0{{[_0-9]*}}]
  // CHECK-LABEL: func.func private @optimizer.update
  // CHECK: %[[BEGIN:.*]] = arith.addi
  // CHECK: %[[END:.*]] = arith.addi
  // CHECK: %[[APPLIES:.*]] = arith.cmpf one
  // CHECK: %[[LAST:.*]] = arith.select %[[APPLIES]], %[[END]], %[[BEGIN]]
  // CHECK: scf.for %{{.*}} = %[[BEGIN]] to %[[LAST]]
  // CHECK: memref.store %[[P:[a-z0-9]+]], {{.*}} : memref<64xf32>
  // CHECK: %[[COPY:.*]] = arith.truncf %[[P]] : f32 to f16
  // CHECK: memref.store %[[COPY]], {{.*}} : memref<64xf16>
}
