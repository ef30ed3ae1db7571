// RUN: colo-opt %s --colo-autodiff --split-input-file --verify-diagnostics

// expected-error @+1 {{no function has the role "entry"}}
module {
}

// -----

// expected-error @+1 {{the model returns no "loss": there is nothing to differentiate}}
func.func @no_loss(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  return
}

// -----

func.func @two_losses(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %loss = colo.weighted_mean %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  // expected-note @+1 {{the first is here}}
  colo.metric "loss", %loss : tensor<f32>
  // expected-error @+1 {{a second metric "loss"}}
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

func.func @loss_is_a_tensor(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{the loss must be one number, but is 'tensor<2xf32>'}}
  colo.metric "loss", %x : tensor<2xf32>
  return
}

// -----

func.func @loss_without_parameter(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %loss = colo.weighted_mean %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  // expected-error @+1 {{the loss depends on no parameter: there is nothing to train}}
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

colo.param @g : tensor<2x3xf32> {logical_shape = array<i64: 2, 3>, file_shape = array<i64: 2, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @op_without_gradient(%t: tensor<2xi32> {colo.input = "t"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<2x3xf32>
  // expected-error @+1 {{accuracy() has no gradient, but the loss depends on parameters through it}}
  %c, %w = colo.correct %g, %t {classes = 3 : i64, ignore_index = -100 : i64} : tensor<2x3xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>
  %loss = colo.weighted_mean %c, %w : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  // expected-note @+1 {{the loss is here; what is only measured is a metric beside it}}
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

colo.param @g : tensor<2x3xf32> {logical_shape = array<i64: 2, 3>, file_shape = array<i64: 2, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @result_without_gradient(%w: tensor<2xf32> {colo.input = "w"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<2x3xf32>
  // expected-error @+1 {{layer_norm() has no gradient of this result}}
  %n, %mean, %rstd = colo.layer_norm %g {eps = 1.0e-5 : f64} : tensor<2x3xf32> -> tensor<2x3xf32>, tensor<2xf32>, tensor<2xf32>
  %loss = colo.weighted_mean %mean, %w : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  // expected-note @+1 {{the loss is here}}
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

colo.param @g : tensor<2xf32> {logical_shape = array<i64: 2>, file_shape = array<i64: 2>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @weights_from_a_parameter(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{weights of a mean depend on parameter 'g': denominators are counted before the first forward, from inputs and constants only}}
  %g = colo.param_ref @g : tensor<2xf32>
  %loss = colo.weighted_mean %x, %g : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

colo.param @g : tensor<2xf32> {logical_shape = array<i64: 2>, file_shape = array<i64: 2>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Loss(%x: tensor<2xf32>) -> tensor<f32> {
  // expected-error @+1 {{a mean over the batch belongs in the model's own forward}}
  %loss = colo.weighted_mean %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  return %loss : tensor<f32>
}
func.func @mean_in_a_module(%x: tensor<2xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %loss = colo.call @Loss(%x) params [] : (tensor<2xf32>) -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
