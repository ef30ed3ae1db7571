// RUN: colo-opt %s --colo-verify-batch --split-input-file --verify-diagnostics

// expected-error @+1 {{no function has the role "entry"}}
module {
}

// -----

// expected-error @+1 {{dim 0 of every input is the batch, but input 1 is 'tensor<3xf32>'}}
func.func @inputs_of_two_batches(%x: tensor<4xf32> {colo.input = "x"}, %y: tensor<3xf32> {colo.input = "y"}) attributes {colo.role = "entry"} {
  return
}

// -----

func.func @sum_over_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'reduce' depends on how the batch is split: it reduces over batch rows; only the mean of a loss or a metric may}}
  %s = colo.reduce %x {kind = 0 : i32, dims = array<i64: 0>} : tensor<4x3xf32> -> tensor<3xf32>
  return
}

// -----

func.func @contraction_over_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'einsum' depends on how the batch is split: it reduces over batch rows}}
  %s = colo.einsum "bi,bj->ij", %x, %x : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<3x3xf32>
  return
}

// -----

func.func @softmax_over_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %t = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x3xf32> -> tensor<3x4xf32>
  // expected-error @+1 {{'softmax' depends on how the batch is split: it normalises, cuts or joins the batch; only other dims may be}}
  %s = colo.softmax %t : tensor<3x4xf32>
  return
}

// -----

func.func @slice_of_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'slice' depends on how the batch is split}}
  %s = colo.slice %x {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<4x3xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @concat_of_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'concat' depends on how the batch is split}}
  %s = colo.concat %x, %x {dim = 0 : i64} : (tensor<4x3xf32>, tensor<4x3xf32>) -> tensor<8x3xf32>
  return
}

// -----

func.func @reshape_that_spreads_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'reshape' depends on how the batch is split: it spreads the batch over several dims of its result}}
  %s = colo.reshape %x : tensor<4x3xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @rows_with_other_rows(%x: tensor<4x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %t = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x4xf32> -> tensor<4x4xf32>
  // expected-error @+1 {{'add' depends on how the batch is split: it combines rows of the batch with other rows}}
  %s = colo.add %x, %t : tensor<4x4xf32>
  return
}

// -----

colo.param @g : tensor<4x3xf32> {logical_shape = array<i64: 4, 3>, file_shape = array<i64: 4, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @parameter_with_a_row_per_row(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<4x3xf32>
  // expected-error @+1 {{'mul' depends on how the batch is split: operand #1 differs from row to row and is no input}}
  %s = colo.mul %x, %g : tensor<4x3xf32>
  return
}

// -----

func.func @row_numbers(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %i = colo.iota {dim = 0 : i64} : tensor<4x3xf32>
  // expected-error @+1 {{'add' depends on how the batch is split: operand #0 differs from row to row}}
  %s = colo.add %i, %x : tensor<4x3xf32>
  return
}

// -----

func.func @dropout_of_merged_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %f = colo.reshape %x : tensor<4x3xf32> -> tensor<12xf32>
  // expected-error @+1 {{'dropout' depends on how the batch is split: it draws random numbers by batch row, so dim 0 must be the batch (4)}}
  %s = colo.dropout %f {rate = 0.1 : f64, id = 1 : i64} : tensor<12xf32>
  return
}

// -----

func.func @nonlinear_after_a_mean(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %m = colo.weighted_mean %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  // expected-error @+1 {{'exp' depends on how the batch is split: it reads a mean over the batch}}
  %e = colo.exp %m : tensor<f32>
  return
}

// -----

func.func @constant_added_to_a_mean(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %m = colo.weighted_mean %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  %c = colo.constant 1.0 : tensor<f32>
  // expected-error @+1 {{means may be added, subtracted and multiplied by constants}}
  %e = colo.add %m, %c : tensor<f32>
  return
}

// -----

colo.param @g : tensor<4xf32> {logical_shape = array<i64: 4>, file_shape = array<i64: 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @weights_from_a_parameter(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<4xf32>
  // expected-error @+1 {{weights of a mean depend on parameters}}
  %m = colo.weighted_mean %x, %g : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  return
}

// -----

colo.param @g : tensor<f32> {logical_shape = array<i64>, file_shape = array<i64>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @metric_is_no_mean(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<f32>
  // expected-error @+1 {{metric "loss" is not a mean over the batch, so micro-batches and replicas do not add up to it; return a loss, an accuracy or a sum of such}}
  colo.metric "loss", %g : tensor<f32>
  return
}

// -----

func.func private @F(%x: tensor<4x3xf32>) -> tensor<3xf32> {
  // expected-error @+1 {{'reduce' depends on how the batch is split}}
  %s = colo.reduce %x {kind = 1 : i32, dims = array<i64: 0>} : tensor<4x3xf32> -> tensor<3xf32>
  return %s : tensor<3xf32>
}
func.func @sum_over_rows_in_a_callee(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %s = colo.call @F(%x) params [] : (tensor<4x3xf32>) -> tensor<3xf32>
  return
}

// -----

func.func private @F(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %t = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x4xf32> -> tensor<4x4xf32>
  return %t : tensor<4x4xf32>
}
func.func @layer_that_moves_the_batch(%x: tensor<4x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'layers' depends on how the batch is split: the batch is in another dim after a layer than before it}}
  %y = colo.layers @F(%x) invariants() stacked() params [] {count = 2 : i64} : (tensor<4x4xf32>) () () -> (tensor<4x4xf32>) () ()
  return
}

// -----

func.func @random_numbers_without_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{'random' depends on how the batch is split: it draws random numbers by batch row, so dim 0 must be the batch (4)}}
  %s = colo.random {id = 1 : i64} : tensor<3x4xf32>
  return
}

// -----

func.func @op_without_a_rule(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{this op has no rule that says what it does with batch rows}}
  %s = arith.addf %x, %x : tensor<4xf32>
  return
}
