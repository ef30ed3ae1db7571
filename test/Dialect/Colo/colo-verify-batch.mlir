// RUN: colo-opt %s --colo-verify-batch --split-input-file | FileCheck %s

// A batch that is merged with another dim and split again is followed.
// CHECK-LABEL: func.func @reshapes_keep_rows
colo.param @g : tensor<5x3xf32> {logical_shape = array<i64: 5, 3>, file_shape = array<i64: 5, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @reshapes_keep_rows(%x: tensor<4x6x3xf32> {colo.input = "x"}, %w: tensor<4x6xf32> {colo.input = "w"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<5x3xf32>
  %flat = colo.reshape %x : tensor<4x6x3xf32> -> tensor<24x3xf32>
  %p = colo.einsum "ti,oi->to", %flat, %g : tensor<24x3xf32>, tensor<5x3xf32> -> tensor<24x5xf32>
  %y = colo.reshape %p : tensor<24x5xf32> -> tensor<4x6x5xf32>
  %t = colo.transpose %y {permutation = array<i64: 1, 2, 0>} : tensor<4x6x5xf32> -> tensor<6x5x4xf32>
  %s = colo.softmax %y : tensor<4x6x5xf32>
  %r = colo.reduce %s {kind = 1 : i32, dims = array<i64: 2>} : tensor<4x6x5xf32> -> tensor<4x6xf32>
  %loss = colo.weighted_mean %r, %w : tensor<4x6xf32>, tensor<4x6xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// CHECK-LABEL: func.func @means_may_be_combined_linearly
func.func @means_may_be_combined_linearly(%x: tensor<4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %ones = colo.constant 1.0 : tensor<4xf32>
  %a = colo.weighted_mean %x, %ones : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  %b = colo.weighted_mean %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  %half = colo.constant 0.5 : tensor<f32>
  %c = colo.mul %half, %b : tensor<f32>
  %d = colo.neg %c : tensor<f32>
  %e = colo.sub %a, %d : tensor<f32>
  %loss = colo.div %e, %half : tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// Values that are equal in all rows, layers included, meet rows; dropout of such a value draws by row.
// CHECK-LABEL: func.func @broadcast_values_meet_rows
colo.param @pos : tensor<3xf32> {logical_shape = array<i64: 3>, file_shape = array<i64: 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"a.#" : tensor<3xf32> {layers = 2 : i64, logical_shape = array<i64: 3>, file_shape = array<i64: 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @F(%z: tensor<4x3xf32>, %x: tensor<4x3xf32>, %a: tensor<3xf32> {colo.param = "a"}) -> tensor<4x3xf32> {
  %ab = colo.broadcast %a {dims = array<i64: 1>} : tensor<3xf32> -> tensor<4x3xf32>
  %p = colo.add %x, %ab : tensor<4x3xf32>
  %y = colo.mul %p, %z : tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}
func.func @broadcast_values_meet_rows(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %pos = colo.param_ref @pos : tensor<3xf32>
  %b = colo.broadcast %pos {dims = array<i64: 1>} : tensor<3xf32> -> tensor<4x3xf32>
  %d = colo.dropout %b {rate = 0.1 : f64, id = 1 : i64} : tensor<4x3xf32>
  %y = colo.layers @F(%b) invariants(%x) stacked() params [@"a.#"] {count = 2 : i64} : (tensor<4x3xf32>) (tensor<4x3xf32>) () -> (tensor<4x3xf32>) () ()
  %z = colo.mul %y, %d : tensor<4x3xf32>
  %loss = colo.weighted_mean %z, %x : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// A batch of one row is followed where a dim holds it, and through a reshape that drops it.
// CHECK-LABEL: func.func @one_row
func.func @one_row(%x: tensor<1x6x3xf32> {colo.input = "x"}, %w: tensor<1x18xf32> {colo.input = "w"}) attributes {colo.role = "entry"} {
  %a = colo.exp %x : tensor<1x6x3xf32>
  %d = colo.dropout %a {rate = 0.1 : f64, id = 1 : i64} : tensor<1x6x3xf32>
  %flat = colo.reshape %d : tensor<1x6x3xf32> -> tensor<18xf32>
  %t = colo.tanh %flat : tensor<18xf32>
  %y = colo.reshape %t : tensor<18xf32> -> tensor<1x18xf32>
  %m = colo.mul %y, %w : tensor<1x18xf32>
  %loss = colo.weighted_mean %m, %w : tensor<1x18xf32>, tensor<1x18xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// Random numbers are rows of the batch, and weights may depend on them.
// CHECK-LABEL: func.func @random_weights
func.func @random_weights(%x: tensor<4x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %r = colo.random {id = 0 : i64} : tensor<4x3xf32>
  %m = colo.compare lt, %r, %x : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<4x3xi1>
  %w = colo.convert %m : tensor<4x3xi1> -> tensor<4x3xf32>
  %loss = colo.weighted_mean %x, %w : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
