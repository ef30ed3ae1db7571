// RUN: colo-opt %s --pipe-cut -split-input-file -verify-diagnostics

pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0,SA0>1,RG0<1,B0", "RA0<0,F0,B0,SG0>0"}
colo.param @w : tensor<2x4xf32> {logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @M(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %w0 = colo.param_ref @w {pipe.stage = 0 : i64} : tensor<2x4xf32>
  %a = colo.mul %x, %w0 : tensor<2x4xf32>
  %e = pipe.enter %a from 0 to 1 : tensor<2x4xf32> -> tensor<2x4xf32>
  // expected-error @+1 {{reads values of pipeline stages 0 and 1}}
  %y = colo.add %a, %e : tensor<2x4xf32>
  return
}

// -----

pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0,SA0>1,RG0<1,B0", "RA0<0,F0,B0,SG0>0"}
func.func @enters_twice(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %a = colo.exp %x : tensor<2x4xf32>
  // expected-error @+1 {{is read by another pipeline stage}}
  %e = pipe.enter %a from 0 to 1 : tensor<2x4xf32> -> tensor<2x4xf32>
  %f = pipe.enter %e from 0 to 1 : tensor<2x4xf32> -> tensor<2x4xf32>
  %y = colo.exp %f : tensor<2x4xf32>
  return
}
