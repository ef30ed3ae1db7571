// RUN: colo-opt %s --dist-shard="mode=sequence size=2" -split-input-file -verify-diagnostics

// A causal ring cuts the sequence in twice as many parts as it has members.
func.func private @Block(%x: tensor<2x6x4x2xf32>) -> tensor<2x6x4x2xf32> {
  // expected-error @+2 {{attention over 6 rows cannot be divided into 4 equal parts, twice the size of mesh axis "sp"}}
  // expected-note @+1 {{legal are 4, 8 and other multiples of 4}}
  %o, %lse = colo.attention %x, %x, %x {scale = 0.5 : f64, causal} : tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32> -> tensor<2x6x4x2xf32>, tensor<2x4x6xf32>
  return %o : tensor<2x6x4x2xf32>
}
func.func @attention(%x: tensor<2x6x4x2xf32>) -> tensor<2x6x4x2xf32> attributes {colo.role = "entry"} {
  %y = colo.call @Block(%x) params [] : (tensor<2x6x4x2xf32>) -> tensor<2x6x4x2xf32>
  return %y : tensor<2x6x4x2xf32>
}

// -----

func.func private @Block(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %q = colo.reshape %x : tensor<2x6x8xf32> -> tensor<2x6x4x2xf32>
  %o, %lse = colo.attention %q, %q, %q {scale = 0.5 : f64, causal} : tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32> -> tensor<2x6x4x2xf32>, tensor<2x4x6xf32>
  %y = colo.reshape %o : tensor<2x6x4x2xf32> -> tensor<2x6x8xf32>
  return %y : tensor<2x6x8xf32>
}
func.func @between_layers(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> attributes {colo.role = "entry"} {
  // expected-error @+2 {{dim 1 of a value between layers, 'tensor<2x6x8xf32>', must be a multiple of 4, twice the size of mesh axis "sp", over which causal attention is balanced}}
  // expected-note @+1 {{it is 6; legal are 4, 8 and other multiples of 4}}
  %y = colo.layers @Block(%x) invariants() stacked() params [] {count = 2 : i64} : (tensor<2x6x8xf32>) () () -> (tensor<2x6x8xf32>) () ()
  return %y : tensor<2x6x8xf32>
}

// -----

// Full attention needs no halves.
func.func private @Block(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %q = colo.reshape %x : tensor<2x6x8xf32> -> tensor<2x6x4x2xf32>
  %o, %lse = colo.attention %q, %q, %q {scale = 0.5 : f64} : tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32>, tensor<2x6x4x2xf32> -> tensor<2x6x4x2xf32>, tensor<2x4x6xf32>
  %y = colo.reshape %o : tensor<2x6x4x2xf32> -> tensor<2x6x8xf32>
  return %y : tensor<2x6x8xf32>
}
func.func @full(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> attributes {colo.role = "entry"} {
  %y = colo.layers @Block(%x) invariants() stacked() params [] {count = 2 : i64} : (tensor<2x6x8xf32>) () () -> (tensor<2x6x8xf32>) () ()
  return %y : tensor<2x6x8xf32>
}

// -----

// A pin over a balanced ring needs two blocks a member.
func.func @pinned(%x: tensor<2x8x4x2xf32>, %z: tensor<2x6xf32>) -> (tensor<2x8x4x2xf32>, tensor<2x6xf32>) attributes {colo.role = "entry"} {
  // expected-error @+2 {{shard() cannot cut dim 1, 6, into 2 equal parts, the size of mesh axis "sp", each of 2 equal blocks}}
  // expected-note @+1 {{sizes that divide: 1, 3}}
  %p = colo.reshape %z {colo.shard = {axis = "sp", dim = 1 : i64}} : tensor<2x6xf32> -> tensor<2x6xf32>
  %o, %lse = colo.attention %x, %x, %x {scale = 0.5 : f64, causal} : tensor<2x8x4x2xf32>, tensor<2x8x4x2xf32>, tensor<2x8x4x2xf32> -> tensor<2x8x4x2xf32>, tensor<2x4x8xf32>
  return %o, %p : tensor<2x8x4x2xf32>, tensor<2x6xf32>
}
