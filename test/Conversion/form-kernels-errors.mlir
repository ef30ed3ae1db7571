// RUN: colo-opt %s --form-kernels -split-input-file -verify-diagnostics

func.func @high_level_op(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{must be decomposed before kernels are formed}}
  %y = colo.softmax %x : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// expected-error @+1 {{needs a single block: control flow is resolved before kernels are formed}}
func.func @two_blocks(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  cf.br ^next
^next:
  return %x : tensor<4x8xf32>
}

// -----

func.func @whole_gradient_without_delta(%q: tensor<2x3x4x8xf32>, %lse: tensor<2x4x3xf32>) -> tensor<2x3x4x8xf32> {
  // expected-error @+1 {{needs delta where it is left whole}}
  %dq, %dk, %dv = colo.attention_grad %q, %q, %q, %lse, %q {scale = 0.5 : f64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x4x3xf32>, tensor<2x3x4x8xf32>)
    -> (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>)
  return %dq : tensor<2x3x4x8xf32>
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @sharded(%x: tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  // expected-error @+1 {{needs local static shapes without an encoding, not}}
  %y = colo.exp %x : tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>
  return
}
