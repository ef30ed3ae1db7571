// RUN: colo-opt %s -load-step-values -split-input-file -verify-diagnostics

module {
  gpu.module @colo_kernels {
    gpu.func @k(%n: f64, %y: memref<1xf64>) kernel {
      gpu.return
    }
  }
  // expected-error @below {{is launched with a number of the step and with another one for argument 0}}
  func.func private @k(f64, memref<1xf64>) attributes {rt.extent = 1 : i64, rt.grain = 1 : i64, rt.kernel, rt.threads = 64 : i64}
  func.func @a_step_value_in_some_launches(%y: memref<1xf64>) {
    %lr = rt.scalar "lr" : f64
    %one = arith.constant 1.0 : f64
    rt.launch @k(%lr) outs(%y) : (f64) -> () outs memref<1xf64>
    rt.launch @k(%one) outs(%y) : (f64) -> () outs memref<1xf64>
    return
  }
}

// -----

module {
  gpu.module @colo_kernels {
  }
  func.func @a_step_value_that_the_host_computes_with() -> f64 {
    // expected-error @below {{is needed by the host, which does not wait for it}}
    %n = rt.inverse_count {term = 0 : i64} : f64
    %twice = arith.addf %n, %n : f64
    return %twice : f64
  }
}
