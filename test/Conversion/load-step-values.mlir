// RUN: colo-opt %s -load-step-values | FileCheck %s

module attributes {colo.term_count = 2 : i64} {
  gpu.module @colo_kernels {
    // CHECK: gpu.func @scaled(%[[X:.*]]: memref<64xf32>, %[[N:.*]]: memref<1xf64> {llvm.align = 8 : i64, llvm.noalias}, %{{.*}}: memref<64xf32>)
    // CHECK: %[[LOADED:.*]] = memref.load %[[N]]
    // CHECK: arith.truncf %[[LOADED]]
    gpu.func @scaled(%x: memref<64xf32>, %n: f64, %y: memref<64xf32>) kernel {
      %i = gpu.thread_id x
      %f = arith.truncf %n : f64 to f32
      %v = memref.load %x[%i] : memref<64xf32>
      %w = arith.mulf %v, %f : f32
      memref.store %w, %y[%i] : memref<64xf32>
      gpu.return
    }
    // What is the same in every step stays a number.
    // CHECK: gpu.func @random(%{{.*}}: i64, %{{.*}}: memref<1xi64> {{.*}}, %{{.*}}: memref<64xi64>)
    gpu.func @random(%seed: i64, %step: i64, %y: memref<64xi64>) kernel {
      %i = gpu.thread_id x
      %v = arith.addi %seed, %step : i64
      memref.store %v, %y[%i] : memref<64xi64>
      gpu.return
    }
  }
  // CHECK: func.func private @scaled(memref<64xf32>, memref<1xf64>, memref<64xf32>)
  func.func private @scaled(memref<64xf32>, f64, memref<64xf32>) attributes {rt.extent = 1 : i64, rt.grain = 1 : i64, rt.kernel, rt.threads = 64 : i64}
  func.func private @random(i64, i64, memref<64xi64>) attributes {rt.extent = 1 : i64, rt.grain = 1 : i64, rt.kernel, rt.threads = 64 : i64}
  // CHECK-LABEL: func.func @M
  func.func @M(%x: memref<64xf32>, %y: memref<64xf32>, %z: memref<64xi64>) {
    // CHECK-DAG: %[[ALL:.*]] = rt.buffer "inverse_counts" : memref<2xf64>
    // CHECK-DAG: %[[ONE:.*]] = rt.slot %[[ALL]] at 1 : memref<2xf64> to memref<1xf64>
    // CHECK-DAG: %[[VALUES:.*]] = rt.buffer "step_values" : memref<48xi8>
    // CHECK-DAG: %[[STEP:.*]] = rt.slot %[[VALUES]] at 0 : memref<48xi8> to memref<1xi64>
    // CHECK-DAG: %[[SEED:.*]] = rt.scalar "seed"
    // CHECK: rt.launch @scaled(%{{.*}}, %[[ONE]])
    // CHECK: rt.launch @random(%[[SEED]], %[[STEP]])
    // CHECK-NOT: rt.inverse_count
    %n = rt.inverse_count {term = 1 : i64} : f64
    %seed = rt.scalar "seed" : i64
    %step = rt.scalar "step" : i64
    rt.launch @scaled(%x, %n) outs(%y) : (memref<64xf32>, f64) -> () outs memref<64xf32>
    rt.launch @random(%seed, %step) outs(%z) : (i64, i64) -> () outs memref<64xi64>
    return
  }
}
