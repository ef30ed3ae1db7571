// RUN: colo-opt %s --pipe-verify-schedule -split-input-file -verify-diagnostics

// A backward before its forward: both actions are named.
// expected-error @+1 {{rank 1, action 0 (B0)}}
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0,B0", "B0,F0"}

// -----

// expected-error @+1 {{rank 0: }}
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0,X0", "F0,B0"}

// -----

// Each rank waits for the other's send.
// expected-error @+1 {{deadlock: rank 0, action 1 (RG0<1) waits for rank 1, action}}
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 2 {
  "F0,RG0<1,SA0>1,B0,F1,SA1>1,RG1<1,B1",
  "RA0<0,F0,B0,SG0>0,RA1<0,F1,B1,SG1>0"
}

// -----

// expected-error @+1 {{has placement 'ring'; legal: 'loop' or 'vee'}}
pipe.schedule @schedule stages 2 chunks 1 placement "ring" micro_batches 1 {"F0,B0", "F0,B0"}

// -----

// expected-error @+1 {{has 1 costs for 2 virtual stages}}
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 1 {"F0,B0", "F0,B0"} {costs = array<f64: 1.0, 1.0>, recomputed = array<f64: 1.0>}

// -----

func.func @skips_a_stage(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{goes from stage 0 to stage 2, which is not the next}}
  %e = pipe.enter %x from 0 to 2 : tensor<4xf32> -> tensor<4xf32>
  return %e : tensor<4xf32>
}

// -----

func.func @changes(%x: tensor<4xf32>) -> tensor<5xf32> {
  // expected-error @+1 {{changes its value from 'tensor<4xf32>' to 'tensor<5xf32>'}}
  %e = pipe.enter %x from 0 to 1 : tensor<4xf32> -> tensor<5xf32>
  return %e : tensor<5xf32>
}
