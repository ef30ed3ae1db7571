// RUN: colo-opt %s --colo-autodiff --split-input-file | FileCheck %s

// Gradients follow the forward ops of the entry function. Each use of a parameter is one colo.grad, the seed is 1/N.

// CHECK-LABEL: func.func @tied_parameter_has_two_gradients
// CHECK-DAG:     %[[TABLE:.*]] = colo.param_ref @table
// CHECK:         colo.weighted_mean {{.*}} {term = 0 : i64}
// CHECK:         colo.inverse_count {term = 0 : i64}
// CHECK:         %[[DLOGITS:.*]] = colo.cross_entropy_grad
// CHECK:         %[[DX:.*]] = colo.einsum "bv,vh->bh", %[[DLOGITS]], %[[TABLE]]
// CHECK:         %[[HEAD:.*]] = colo.einsum "bv,bh->vh", %[[DLOGITS]]
// CHECK:         colo.grad %[[HEAD]], %[[TABLE]]
// CHECK:         %[[DROPPED:.*]] = colo.dropout %[[DX]] {id = 1 : i64
// CHECK:         %[[ROWS:.*]] = colo.embedding_grad %[[DROPPED]], %{{.*}}
// CHECK:         colo.grad %[[ROWS]], %[[TABLE]]

// The weights of cross_entropy do not read its logits.
// CHECK-LABEL: func.func @tied_parameter_has_two_gradients.count
// CHECK-SAME:    colo.role = "count"
// CHECK-NOT:     colo.einsum
// CHECK:         %[[COUNTED:.*]] = colo.compare ne
// CHECK:         %[[WEIGHTS:.*]] = colo.convert %[[COUNTED]]
// CHECK:         colo.count %[[WEIGHTS]] {term = 0 : i64}

// CHECK-LABEL: func.func @tied_parameter_has_two_gradients.evaluate
// CHECK-SAME:    colo.role = "evaluate"
// CHECK-NOT:     colo.dropout
// CHECK-NOT:     colo.grad
// CHECK:         colo.metric "loss"
colo.param @table : tensor<7x3xf32> {logical_shape = array<i64: 7, 3>, file_shape = array<i64: 7, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @tied_parameter_has_two_gradients(%tokens: tensor<2xi32> {colo.input = "tokens"}, %targets: tensor<2xi32> {colo.input = "targets"}) attributes {colo.role = "entry"} {
  %table = colo.param_ref @table : tensor<7x3xf32>
  %rows = colo.embedding %table, %tokens : tensor<7x3xf32>, tensor<2xi32> -> tensor<2x3xf32>
  %x = colo.dropout %rows {rate = 0.1 : f64, id = 1 : i64} : tensor<2x3xf32>
  %logits = colo.einsum "bh,vh->bv", %x, %table : tensor<2x3xf32>, tensor<7x3xf32> -> tensor<2x7xf32>
  %losses, %weights, %lse = colo.cross_entropy %logits, %targets {classes = 7 : i64, ignore_index = -100 : i64, label_smoothing = 0.0 : f64} : tensor<2x7xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  %loss = colo.weighted_mean %losses, %weights : tensor<2xf32>, tensor<2xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// The product's result is saved, since gelu's gradient starts from it; the scaling and gelu's result, which a product
// reads, are computed again from it. The layer's input is saved once.

// CHECK-LABEL: func.func private @F.fwd
// CHECK-SAME:    (%[[X:.*]]: tensor<2x3xf32>, %[[A:.*]]: tensor<3x3xf32> {colo.param = "a"}, %[[B:.*]]: tensor<3x3xf32> {colo.param = "b"})
// CHECK:         %[[P:.*]] = colo.einsum "bi,oi->bo", %[[X]], %[[A]]
// CHECK:         %[[Q:.*]] = colo.mul %[[P]]
// CHECK:         %[[G:.*]] = colo.gelu %[[Q]]
// CHECK:         %[[Y:.*]] = colo.einsum "bi,oi->bo", %[[G]], %[[B]]
// CHECK:         return %[[Y]], %[[P]], %[[X]]

// CHECK-LABEL: func.func private @F.bwd
// CHECK-SAME:    (%[[DY:.*]]: tensor<2x3xf32>, %[[P:.*]]: tensor<2x3xf32>, %[[X:.*]]: tensor<2x3xf32>, %[[A:.*]]: tensor<3x3xf32> {colo.param = "a"}, %[[B:.*]]: tensor<3x3xf32> {colo.param = "b"})
// CHECK:         %[[Q:.*]] = colo.mul %[[P]]
// CHECK:         %[[G:.*]] = colo.gelu %[[Q]]
// CHECK:         %[[DB:.*]] = colo.einsum "bo,bi->oi", %[[DY]], %[[G]]
// CHECK:         colo.grad %[[DB]], %[[B]]
// CHECK:         colo.gelu_grad %{{.*}}
// CHECK:         colo.grad %{{.*}}, %[[A]]
// CHECK:         return %{{.*}} : tensor<2x3xf32>

// CHECK-LABEL: func.func @saved_values_are_stacked_and_layers_run_backward
// CHECK:         %[[Y:.*]], %[[SAVED:.*]]:2 = colo.layers @F.fwd
// CHECK-SAME:      -> (tensor<2x3xf32>) () (tensor<5x2x3xf32>, tensor<5x2x3xf32>)
// CHECK:         colo.layers @F.bwd(%{{.*}}) invariants() stacked(%[[SAVED]]#0, %[[SAVED]]#1)
// CHECK-SAME:      {count = 5 : i64, reverse}
colo.param @"a.#" : tensor<3x3xf32> {layers = 5 : i64, logical_shape = array<i64: 3, 3>, file_shape = array<i64: 3, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"b.#" : tensor<3x3xf32> {layers = 5 : i64, logical_shape = array<i64: 3, 3>, file_shape = array<i64: 3, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @F(%x: tensor<2x3xf32>, %a: tensor<3x3xf32> {colo.param = "a"}, %b: tensor<3x3xf32> {colo.param = "b"}) -> tensor<2x3xf32> {
  %p = colo.einsum "bi,oi->bo", %x, %a : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  %half = colo.constant 0.5 : tensor<2x3xf32>
  %q = colo.mul %p, %half : tensor<2x3xf32>
  %g = colo.gelu %q : tensor<2x3xf32>
  %y = colo.einsum "bi,oi->bo", %g, %b : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @saved_values_are_stacked_and_layers_run_backward(%x: tensor<2x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.layers @F(%x) invariants() stacked() params [@"a.#", @"b.#"] {count = 5 : i64} : (tensor<2x3xf32>) () () -> (tensor<2x3xf32>) () ()
  %ones = colo.constant 1.0 : tensor<2x3xf32>
  %loss = colo.weighted_mean %y, %ones : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// A layer_norm's result is computed again from its statistics unless a product reads it.

// CHECK-LABEL: func.func private @Norm.fwd
// CHECK:         %{{.*}}, %[[MEAN:.*]], %[[RSTD:.*]] = colo.layer_norm
// CHECK:         return %{{[^,]*}}, %[[MEAN]], %[[RSTD]] :
// CHECK-LABEL: func.func private @Norm.bwd
// CHECK-NOT:     colo.layer_norm %
// CHECK:         colo.sub
// CHECK:         colo.reduce
// CHECK:         colo.grad
// CHECK:         colo.layer_norm_grad

// The caller still has the argument of a call: it is passed again, not saved.
// CHECK-LABEL: func.func @layer_norm_is_recomputed_from_statistics
// CHECK:         %[[X:.*]] = colo.mul
// CHECK:         %[[Y:.*]]:3 = colo.call @Norm.fwd(%[[X]])
// CHECK:         colo.call @Norm.bwd(%{{[^,]*}}, %[[X]], %[[Y]]#1, %[[Y]]#2)
// CHECK-SAME:      {layer = 3 : i64}
colo.param @g : tensor<3xf32> {logical_shape = array<i64: 3>, file_shape = array<i64: 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Norm(%x: tensor<2x3xf32>, %g: tensor<3xf32> {colo.param = "g"}) -> tensor<2x3xf32> {
  %n, %mean, %rstd = colo.layer_norm %x {eps = 1.0e-5 : f64} : tensor<2x3xf32> -> tensor<2x3xf32>, tensor<2xf32>, tensor<2xf32>
  %gb = colo.broadcast %g {dims = array<i64: 1>} : tensor<3xf32> -> tensor<2x3xf32>
  %y = colo.mul %n, %gb : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @layer_norm_is_recomputed_from_statistics(%in: tensor<2x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<3xf32>
  %gb = colo.broadcast %g {dims = array<i64: 1>} : tensor<3xf32> -> tensor<2x3xf32>
  %x = colo.mul %in, %gb : tensor<2x3xf32>
  %y = colo.call @Norm(%x) params [@g] {layer = 3 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %ones = colo.constant 1.0 : tensor<2x3xf32>
  %loss = colo.weighted_mean %y, %ones : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// A function that no gradient reaches gets no derivative, and a metric none either; weights that two means share are one term.

// CHECK-NOT:   @Probe.bwd
// CHECK-LABEL: func.func private @Probe
// CHECK-LABEL: func.func @functions_without_gradient_stay
// CHECK:         colo.weighted_mean {{.*}} {term = 0 : i64}
// CHECK:         colo.call @Probe
// CHECK:         colo.weighted_mean {{.*}} {term = 0 : i64}
// CHECK:         colo.grad
// CHECK-NOT:     colo.grad
// CHECK:       func.func @functions_without_gradient_stay.count
// CHECK:         colo.count
// CHECK-NOT:     colo.count
colo.param @g : tensor<2x3xf32> {logical_shape = array<i64: 2, 3>, file_shape = array<i64: 2, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Probe(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %y = colo.abs %x : tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @functions_without_gradient_stay(%x: tensor<2x3xf32> {colo.input = "x"}, %w: tensor<2x3xf32> {colo.input = "w"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<2x3xf32>
  %y = colo.mul %x, %g : tensor<2x3xf32>
  %loss = colo.weighted_mean %y, %w : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<f32>
  %p = colo.call @Probe(%y) params [] : (tensor<2x3xf32>) -> tensor<2x3xf32>
  %size = colo.weighted_mean %p, %w : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  colo.metric "size", %size : tensor<f32>
  return
}

// -----

// The gradient of a value that was split is joined, not padded and added.

// CHECK-LABEL: func.func @parts_are_concatenated
// CHECK:         colo.metric
// CHECK-NOT:     colo.pad
// CHECK:         colo.concat
// CHECK-NOT:     colo.pad
// CHECK:         return
colo.param @g : tensor<2x5xf32> {logical_shape = array<i64: 2, 5>, file_shape = array<i64: 2, 5>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @parts_are_concatenated(%x: tensor<2x5xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<2x5xf32>
  %y = colo.mul %x, %g : tensor<2x5xf32>
  %a = colo.slice %y {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<2x5xf32> -> tensor<2x3xf32>
  %b = colo.slice %y {offsets = array<i64: 0, 3>, strides = array<i64: 1, 1>} : tensor<2x5xf32> -> tensor<2x2xf32>
  %c = colo.concat %b, %a {dim = 1 : i64} : (tensor<2x2xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %loss = colo.weighted_mean %c, %x : tensor<2x5xf32>, tensor<2x5xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}

// -----

// Functions with dropout get a copy without it for evaluation.

// CHECK-LABEL: func.func private @Drop.evaluate
// CHECK-NOT:     colo.dropout
// CHECK:         return
// CHECK:       func.func @evaluation_draws_no_random_numbers.evaluate
// CHECK:         colo.call @Drop.evaluate
colo.param @g : tensor<2x5xf32> {logical_shape = array<i64: 2, 5>, file_shape = array<i64: 2, 5>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @Drop(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %y = colo.dropout %x {rate = 0.1 : f64, id = 1 : i64} : tensor<2x5xf32>
  return %y : tensor<2x5xf32>
}
func.func @evaluation_draws_no_random_numbers(%x: tensor<2x5xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %g = colo.param_ref @g : tensor<2x5xf32>
  %y = colo.mul %x, %g : tensor<2x5xf32>
  %d = colo.call @Drop(%y) params [] : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %loss = colo.weighted_mean %d, %x : tensor<2x5xf32>, tensor<2x5xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
