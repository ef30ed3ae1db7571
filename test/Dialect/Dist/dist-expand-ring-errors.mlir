// RUN: colo-opt %s -dist-expand-ring -verify-diagnostics

dist.mesh @mesh <["sp"=3]>

// Rows see keys of other ranks, whose part of the row's sum only delta holds.
func.func @gradient_without_delta(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %lse: tensor<4x3x2xf32>)
    -> tensor<4x2x3x8xf32> {
  // expected-error@+1 {{needs delta where keys are cut}}
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return %dq : tensor<4x2x3x8xf32>
}
