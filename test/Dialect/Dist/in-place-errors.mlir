// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func @into_an_output_alone(%q: tensor<4x2x3x8xf32>, %o: tensor<4x2x3x8xf32>) {
  // expected-error @+1 {{is made in place of a result and its lse, not of 1 values}}
  %r, %l = colo.attention %q, %q, %q into %o : tensor<4x2x3x8xf32> {scale = 0.5 : f64} : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return
}

// -----

func.func @into_another_type(%q: tensor<4x2x3x8xf32>, %o: tensor<4x2x3x8xf64>, %e: tensor<4x3x2xf32>) {
  // expected-error @+1 {{adds to a value of another type: 'tensor<4x2x3x8xf64>' and 'tensor<4x2x3x8xf32>'}}
  %r, %l = colo.attention %q, %q, %q into %o, %e : tensor<4x2x3x8xf64>, tensor<4x3x2xf32> {scale = 0.5 : f64} : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return
}

// -----

func.func @into_what_is_read(%q: tensor<4x2x3x8xf32>, %e: tensor<4x3x2xf32>) {
  // expected-error @+1 {{adds in place to a value that something else reads}}
  %r, %l = colo.attention %q, %q, %q into %q, %e : tensor<4x2x3x8xf32>, tensor<4x3x2xf32> {scale = 0.5 : f64} : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return
}

// -----

func.func @sum_of_keys_alone(%q: tensor<4x2x3x8xf32>, %l: tensor<4x3x2xf32>, %s: tensor<4x2x3x8xf32>) {
  // expected-error @+1 {{adds the gradients of key and value to sums, or neither}}
  %dq, %dk, %dv = colo.attention_grad %q, %q, %q, %l, %q delta %l dkey %s {scale = 0.5 : f64} : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return
}

// -----

func.func @sum_that_is_read(%q: tensor<4x2x3x8xf32>, %l: tensor<4x3x2xf32>) {
  // expected-error @+1 {{adds in place to a value that something else reads}}
  %dq, %dk, %dv = colo.attention_grad %q, %q, %q, %l, %q delta %l dquery %q {scale = 0.5 : f64} : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return
}

// -----

func.func @part_that_is_elsewhere(%x: tensor<4x2xf32>, %y: tensor<2x4xf32>) {
  // expected-error @+1 {{has a part that is not made in place of one of its value}}
  %r = dist.updated %x by %y : tensor<4x2xf32>, tensor<2x4xf32>
  return
}

// -----

func.func @parts_that_are_not_all(%s: tensor<4x2xf32>, %x: tensor<2x2xf32>) {
  %0 = colo.slice %s {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %1 = colo.einsum "mk,kn->mn", %x, %x into %0 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error @+1 {{has parts that are not all of its value}}
  %r = dist.updated %s by %1 : tensor<4x2xf32>, tensor<2x2xf32>
  return
}

// -----

func.func @parts_in_place_of_one_slice(%s: tensor<4x2xf32>, %x: tensor<2x2xf32>) {
  %0 = colo.slice %s {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %1 = colo.einsum "mk,kn->mn", %x, %x into %0 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %2 = colo.slice %s {offsets = array<i64: 1, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %3 = colo.einsum "mk,kn->mn", %x, %x into %2 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error @+1 {{has parts in place of slices that overlap: those at array<i64: 0, 0> and at array<i64: 1, 0>}}
  %r = dist.updated %s by %1, %3 : tensor<4x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
  return
}

// -----

func.func @part_of_a_slice_of_a_slice(%s: tensor<4x2xf32>, %x: tensor<2x2xf32>) {
  %0 = colo.slice %s {offsets = array<i64: 1, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<3x2xf32>
  %1 = colo.slice %0 {offsets = array<i64: 1, 0>, strides = array<i64: 1, 1>} : tensor<3x2xf32> -> tensor<2x2xf32>
  %2 = colo.einsum "mk,kn->mn", %x, %x into %1 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  // expected-error @+1 {{has a part that is not made in place of one of its value}}
  %r = dist.updated %s by %2 : tensor<4x2xf32>, tensor<2x2xf32>
  return
}

// -----

// One after the other, and every second row each.
func.func @parts_in_place_of_other_slices(%s: tensor<4x2xf32>, %t: tensor<4x2xf32>, %x: tensor<2x2xf32>) {
  %0 = colo.slice %s {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %1 = colo.einsum "mk,kn->mn", %x, %x into %0 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %2 = colo.slice %s {offsets = array<i64: 2, 0>, strides = array<i64: 1, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %3 = colo.einsum "mk,kn->mn", %x, %x into %2 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %r = dist.updated %s by %1, %3 : tensor<4x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
  %4 = colo.slice %t {offsets = array<i64: 0, 0>, strides = array<i64: 2, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %5 = colo.einsum "mk,kn->mn", %x, %x into %4 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %6 = colo.slice %t {offsets = array<i64: 1, 0>, strides = array<i64: 2, 1>} : tensor<4x2xf32> -> tensor<2x2xf32>
  %7 = colo.einsum "mk,kn->mn", %x, %x into %6 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  %q = dist.updated %t by %5, %7 : tensor<4x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
  return
}

// -----

func.func @place_of_an_operand_that_is_not_there(%x: tensor<4xf32>) {
  // expected-error @+1 {{has no operand 1 of the type of the result that is made in its place}}
  %r = rt.launch @k(%x) {in_place = array<i64: 1>} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @place_of_an_operand_of_another_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{has no operand 0 of the type of the result that is made in its place}}
  %r = rt.launch @k(%x) {in_place = array<i64: 0>} : (tensor<4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @places_of_fewer_results(%x: tensor<4xf32>) {
  // expected-error @+1 {{has 2 results, of which in_place says 1}}
  %r:2 = rt.launch @k(%x) {in_place = array<i64: 0>} : (tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return
}
