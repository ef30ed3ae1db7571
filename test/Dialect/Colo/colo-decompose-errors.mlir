// RUN: colo-opt %s --colo-decompose --verify-diagnostics

func.func @mean_without_a_number(%x: tensor<2xf32>) -> tensor<f32> {
  // expected-error @+1 {{has no number for its denominator}}
  %m = colo.weighted_mean %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  return %m : tensor<f32>
}
