// RUN: colo-opt %s --pipe-stage="stages=4 micro-batches=4" -split-input-file -verify-diagnostics
// RUN: not colo-opt %s --pipe-stage="stages=2 micro-batches=4 partition=1,many" --split-input-file 2>&1 | FileCheck %s

// CHECK: error: '1,many' is no partition; legal: uniform, balanced or a list

func.func private @Layer(%x: tensor<2x4xf32>, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %y = colo.einsum "ab,cb->ac", %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
colo.param @"h.#.w" : tensor<4x4xf32> {layers = 3, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
// expected-error @+1 {{the model has 3 layers, too few for 4 pipeline stages: each needs at least one}}
func.func @too_few(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.layers @Layer(%x) invariants() stacked() params [@"h.#.w"] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  return
}

// -----

func.func private @Layer(%x: tensor<2x4xf32>, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %y = colo.einsum "ab,cb->ac", %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
colo.param @"h.#.w" : tensor<4x4xf32> {layers = 3, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @twice(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-note @+1 {{they run here before}}
  %y = colo.layers @Layer(%x) invariants() stacked() params [@"h.#.w"] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  // expected-error @+1 {{these layers run more than once (h.#.w); a pipeline cannot put their runs, or parts of them, on several stages yet}}
  %z = colo.layers @Layer(%y) invariants() stacked() params [@"h.#.w"] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  return
}

// -----

// expected-error @+1 {{the model has 0 layers, too few for 4 pipeline stages: each needs at least one}}
func.func @no_layer(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %y = colo.einsum "ab,cb->ac", %x, %x : tensor<2x4xf32>, tensor<2x4xf32> -> tensor<2x2xf32>
  return
}

// -----

// No run is cut, but the runs are on different stages.
func.func private @Layer(%x: tensor<2x4xf32>, %w: tensor<4x4xf32> {colo.param = "w"}) -> tensor<2x4xf32> {
  %y = colo.einsum "ab,cb->ac", %x, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
colo.param @"h.#.w" : tensor<4x4xf32> {layers = 1, logical_shape = array<i64: 4, 4>, file_shape = array<i64: 4, 4>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func @apart(%x: tensor<2x4xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  // expected-note @+1 {{they run here before}}
  %a = colo.layers @Layer(%x) invariants() stacked() params [@"h.#.w"] {count = 1} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  // expected-error @+1 {{these layers run more than once (h.#.w)}}
  %b = colo.layers @Layer(%a) invariants() stacked() params [@"h.#.w"] {count = 1} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  %c = colo.layers @Layer(%b) invariants() stacked() params [@"h.#.w"] {count = 1} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  %d = colo.layers @Layer(%c) invariants() stacked() params [@"h.#.w"] {count = 1} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  return
}

// -----

func.func private @Layer(%x: tensor<2x4xf32>, %s: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %y = colo.add %x, %s : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func @stacked(%x: tensor<2x4xf32> {colo.input = "x"}, %s: tensor<4x2x4xf32> {colo.input = "s"}) attributes {colo.role = "entry"} {
  // expected-error @+1 {{a run of layers that reads or makes one value a layer cannot be cut into pipeline stages}}
  %y = colo.layers @Layer(%x) invariants() stacked(%s) params [] {count = 4} : (tensor<2x4xf32>) () (tensor<4x2x4xf32>) -> (tensor<2x4xf32>) () ()
  return
}
