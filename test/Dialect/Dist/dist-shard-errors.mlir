// RUN: colo-opt %s --dist-shard="mode=1d size=4 sequence-parallel" -split-input-file -verify-diagnostics
// RUN: not colo-opt %S/Inputs/gpt2.mlir --dist-shard="mode=4d size=4" 2>&1 | FileCheck %s

// CHECK: error: unknown parallel mode '4d'; there are none, 1d, 2d, 2.5d, 3d, sequence, ulysses

// expected-note @+1 {{the parameter is 'tensor<6x8xf32>'; tensor sizes of mode '1d' that divide it: 1, 2, 3, 6}}
func.func @features(%x: tensor<2x8xf32>, %w: tensor<6x8xf32> {colo.param = "fc.weight"}) -> tensor<2x6xf32> attributes {colo.role = "entry"} {
  // expected-error @+1 {{dim 0 of parameter 'fc.weight', 6, must be a multiple of 4, the size of mesh axis "tp"}}
  %y = colo.einsum "bh,oh->bo", %x, %w : tensor<2x8xf32>, tensor<6x8xf32> -> tensor<2x6xf32>
  return %y : tensor<2x6xf32>
}

// -----

// Of q|k|v, heads and head size only heads can be cut.
// expected-note @+1 {{tensor sizes of mode '1d' that divide it: 1, 2, 3, 6}}
func.func @heads(%x: tensor<2x8x16xf32>, %w: tensor<6x4x16xf32> {colo.param = "q.weight"}) -> tensor<2x8x6x4xf32> attributes {colo.role = "entry"} {
  // expected-error @+1 {{dim 0 of parameter 'q.weight', 6, must be a multiple of 4}}
  %q = colo.einsum "bsh,adh->bsad", %x, %w : tensor<2x8x16xf32>, tensor<6x4x16xf32> -> tensor<2x8x6x4xf32>
  %o, %lse = colo.attention %q, %q, %q {scale = 0.5 : f64} : tensor<2x8x6x4xf32>, tensor<2x8x6x4xf32>, tensor<2x8x6x4xf32> -> tensor<2x8x6x4xf32>, tensor<2x6x8xf32>
  return %o : tensor<2x8x6x4xf32>
}

// -----

func.func private @Block(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  return %x : tensor<2x6x8xf32>
}
func.func @sequence(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> attributes {colo.role = "entry"} {
  // expected-error @+2 {{dim 1 of a value between layers, 'tensor<2x6x8xf32>', must be a multiple of 4, the size of mesh axis "tp"}}
  // expected-note @+1 {{it is 6; tensor sizes of mode '1d' that divide it: 1, 2, 3, 6}}
  %y = colo.layers @Block(%x) invariants() stacked() params [] {count = 2 : i64} : (tensor<2x6x8xf32>) () () -> (tensor<2x6x8xf32>) () ()
  return %y : tensor<2x6x8xf32>
}

// -----

func.func @pinned_to_an_unknown_axis(%x: tensor<2x8x6xf32>) -> tensor<2x8x6xf32> attributes {colo.role = "entry"} {
  // expected-error @+1 {{shard() over axis 'row', but the axes of this mode are 'tp'}}
  %y = colo.reshape %x {colo.shard = {axis = "row", dim = 1 : i64}} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  return %y : tensor<2x8x6xf32>
}

// -----

func.func @pinned_to_parts_that_are_not_equal(%x: tensor<2x8x6xf32>) -> tensor<2x8x6xf32> attributes {colo.role = "entry"} {
  // expected-error @+2 {{shard() cannot cut dim 2, 6, into 4 equal parts, the size of mesh axis "tp"}}
  // expected-note @+1 {{sizes that divide: 1, 2, 3, 6}}
  %y = colo.reshape %x {colo.shard = {axis = "tp", dim = 2 : i64}} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  return %y : tensor<2x8x6xf32>
}

// -----

func.func @op_without_a_rule(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
  // expected-error @+1 {{has no sharding rule}}
  %y = arith.addf %x, %x : tensor<4x8xf32>
  return
}

// -----

func.func @call_of_nothing(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
  // expected-error @+1 {{calls no function: missing}}
  %y = colo.call @missing(%x) params [] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Of two products in a row the first cuts outputs, the second inputs: @u is cut in columns, and @One was compiled for rows.
colo.param @v : tensor<8x8xf32> {logical_shape = array<i64: 8, 8>, file_shape = array<i64: 8, 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @u : tensor<8x8xf32> {logical_shape = array<i64: 8, 8>, file_shape = array<i64: 8, 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
// expected-note @+1 {{the function is compiled once for all its calls}}
func.func private @One(%x: tensor<4x8xf32>, %w: tensor<8x8xf32> {colo.param = "w"}) -> tensor<4x8xf32> {
  %y = colo.einsum "bi,oi->bo", %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
func.func private @Two(%x: tensor<4x8xf32>, %v: tensor<8x8xf32> {colo.param = "v"}, %u: tensor<8x8xf32> {colo.param = "u"}) -> tensor<4x8xf32> {
  %y = colo.einsum "bi,oi->bo", %x, %v : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  %z = colo.einsum "bi,oi->bo", %y, %u : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
  return %z : tensor<4x8xf32>
}
func.func @parameter_cut_in_two_ways(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
  %a = colo.call @One(%x) params [@v] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %b = colo.call @Two(%a) params [@v, @u] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  // expected-error @+1 {{parameter 'u' is cut in one way here and in another elsewhere}}
  %c = colo.call @One(%b) params [@u] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @parameter_without_a_dim_to_cut(%x: tensor<4x8xf32>, %w: tensor<f32> {colo.param = "scale"}) -> tensor<4x8xf32> attributes {colo.role = "entry"} {
  // expected-error @+1 {{has no dim that mesh axis "tp" can cut}}
  %y = colo.einsum "bi,->bi", %x, %w : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
