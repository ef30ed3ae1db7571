// RUN: colo-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{needs a static tensor type}}
colo.param @w : tensor<?x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>}

// -----

// expected-error @below {{logical_shape has 1 dims, the type 2}}
colo.param @w : tensor<2x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 8>, file_shape = array<i64: 2, 4>}

// -----

// expected-error @below {{logical dim 5 exceeds stored dim 4}}
colo.param @w : tensor<2x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 5>, file_shape = array<i64: 2, 5>}

// -----

// expected-error @below {{file_shape and logical_shape hold different numbers of elements}}
colo.param @w : tensor<2x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 3>}

// -----

// expected-error @below {{layers must be at least 1}}
colo.param @w : tensor<2x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, layers = 0 : i64}

// -----

// expected-error @below {{a stacked parameter's name needs one '#'}}
colo.param @w : tensor<2x4xf32> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, layers = 2 : i64}

// -----

// expected-error @below {{cannot be read as 'bf16': a copy is of 16-bit floats, and the parameter of f32}}
colo.param @w : tensor<2x4xf64> {init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, read_as = bf16}

// -----

func.func @layers_no_iteration(%x: tensor<2x4xf32>) {
  // expected-error @below {{count must be at least 1}}
  %y = colo.layers @F(%x) invariants() stacked() params [] {count = 0} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () ()
  return
}

// -----

func.func @layers_other_type(%x: tensor<2x4xf32>) {
  // expected-error @below {{carried values must keep their types}}
  %y = colo.layers @F(%x) invariants() stacked() params [] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x5xf32>) () ()
  return
}

// -----

func.func @layers_stacked(%x: tensor<2x4xf32>) {
  // expected-error @below {{a stacked value's leading dim must be the count 3: 'tensor<2x4xf32>'}}
  %y = colo.layers @F(%x) invariants() stacked(%x) params [] {count = 3} : (tensor<2x4xf32>) () (tensor<2x4xf32>) -> (tensor<2x4xf32>) () ()
  return
}

// -----

func.func @layers_stacked_out(%x: tensor<2x4xf32>) {
  // expected-error @below {{a stacked value's leading dim must be the count 3: 'tensor<2x4xf32>'}}
  %y:2 = colo.layers @F(%x) invariants() stacked() params [] {count = 3} : (tensor<2x4xf32>) () () -> (tensor<2x4xf32>) () (tensor<2x4xf32>)
  return
}

// -----

func.func @broadcast_too_few_dims(%x: tensor<2x4xf32>) {
  // expected-error @below {{dims must name a result dim for each operand dim}}
  %y = colo.broadcast %x {dims = array<i64: 1>} : tensor<2x4xf32> -> tensor<3x2x4xf32>
  return
}

// -----

func.func @broadcast_falling_dims(%x: tensor<2x4xf32>) {
  // expected-error @below {{dims must rise and lie within the result's rank}}
  %y = colo.broadcast %x {dims = array<i64: 1, 0>} : tensor<2x4xf32> -> tensor<4x2xf32>
  return
}

// -----

func.func @broadcast_other_size(%x: tensor<2x4xf32>) {
  // expected-error @below {{operand dim 1 is 4, result dim 2 is 5}}
  %y = colo.broadcast %x {dims = array<i64: 1, 2>} : tensor<2x4xf32> -> tensor<3x2x5xf32>
  return
}

// -----

func.func @broadcast_other_element(%x: tensor<2x4xf32>) {
  // expected-error @below {{element types differ: 'tensor<2x4xf32>' and 'tensor<3x2x4xf64>'}}
  %y = colo.broadcast %x {dims = array<i64: 1, 2>} : tensor<2x4xf32> -> tensor<3x2x4xf64>
  return
}

// -----

func.func @reduce_dim_outside(%x: tensor<2x4xf32>) {
  // expected-error @below {{dims must be distinct and lie within the operand's rank}}
  %y = colo.reduce %x {kind = 0 : i32, dims = array<i64: 2>} : tensor<2x4xf32> -> tensor<2xf32>
  return
}

// -----

func.func @reduce_other_shape(%x: tensor<2x4xf32>) {
  // expected-error @below {{result shape is not the operand's without the reduced dims}}
  %y = colo.reduce %x {kind = 0 : i32, dims = array<i64: 1>} : tensor<2x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @reduce_other_element(%x: tensor<2x4xf32>) {
  // expected-error @below {{of 'tensor<2x4xf32>' cannot be 'tensor<2xf64>'}}
  %y = colo.reduce %x {kind = 0 : i32, dims = array<i64: 1>} : tensor<2x4xf32> -> tensor<2xf64>
  return
}

// -----

func.func @transpose_too_few_dims(%x: tensor<2x4xf32>) {
  // expected-error @below {{permutation must cover every dim}}
  %y = colo.transpose %x {permutation = array<i64: 0>} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @transpose_dim_twice(%x: tensor<2x4xf32>) {
  // expected-error @below {{not a permutation}}
  %y = colo.transpose %x {permutation = array<i64: 0, 0>} : tensor<2x4xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @transpose_other_size(%x: tensor<2x4xf32>) {
  // expected-error @below {{result dim 0 is 2, operand dim 1 is 4}}
  %y = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<2x4xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @reshape(%x: tensor<2x4xf32>) {
  // expected-error @below {{operand and result hold different numbers of elements}}
  %y = colo.reshape %x : tensor<2x4xf32> -> tensor<7xf32>
  return
}

// -----

func.func @slice_too_few_offsets(%x: tensor<2x4xf32>) {
  // expected-error @below {{offsets and strides must have one entry a dim}}
  %y = colo.slice %x {offsets = array<i64: 0>, strides = array<i64: 1, 1>} : tensor<2x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @slice_outside(%x: tensor<2x4xf32>) {
  // expected-error @below {{window leaves dim 1 of size 4}}
  %y = colo.slice %x {offsets = array<i64: 0, 2>, strides = array<i64: 1, 1>} : tensor<2x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @pad_outside(%x: tensor<2x4xf32>) {
  // expected-error @below {{window leaves dim 1 of size 5}}
  %y = colo.pad %x {offsets = array<i64: 0, 2>, strides = array<i64: 1, 1>} : tensor<2x4xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @concat_nothing() {
  // expected-error @below {{needs an operand}}
  %y = colo.concat {dim = 0 : i64} : () -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_dim_outside(%x: tensor<2x4xf32>) {
  // expected-error @below {{dim lies outside the result's rank}}
  %y = colo.concat %x {dim = 2 : i64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @concat_other_rank(%x: tensor<2x4xf32>) {
  // expected-error @below {{operands need the result's rank}}
  %y = colo.concat %x {dim = 0 : i64} : (tensor<2x4xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @concat_other_size(%x: tensor<2x4xf32>) {
  // expected-error @below {{operands differ in dim 1}}
  %y = colo.concat %x {dim = 0 : i64} : (tensor<2x4xf32>) -> tensor<2x5xf32>
  return
}

// -----

func.func @concat_other_sum(%x: tensor<2x4xf32>) {
  // expected-error @below {{result dim 0 is 5, the operands' sum is 4}}
  %y = colo.concat %x, %x {dim = 0 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<5x4xf32>
  return
}

// -----

func.func @einsum_spec(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{spec must read "ab,bc->ac"}}
  %y = colo.einsum "bi->bo", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @einsum_letters(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{spec "b" names 1 dims of 'tensor<2x4xf32>'}}
  %y = colo.einsum "b,oi->bo", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @einsum_letter_twice(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{spec "bb" must use each letter once}}
  %y = colo.einsum "bb,oi->bo", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @einsum_sizes(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{factor 'b' is 2 and 3}}
  %y = colo.einsum "bi,bo->io", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<4x4xf32>
  return
}

// -----

func.func @einsum_result_factor(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{result factor 'c' is in no operand}}
  %y = colo.einsum "bi,oi->bc", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return
}

// -----

func.func @einsum_lonely_factor(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{factor 'o' is in one operand only and not in the result}}
  %y = colo.einsum "bi,oi->b", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2xf32>
  return
}

// -----

func.func @einsum_element(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{element types differ: 'tensor<2x4xf32>' and 'tensor<2x3xf64>'}}
  %y = colo.einsum "bi,oi->bo", %x, %w : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf64>
  return
}

// -----

func.func @attention_result(%q: tensor<2x3x4x5xf32>, %k: tensor<2x6x3x5xf32>, %mask: tensor<2x3xi1>) {
  // expected-error @below {{needs query [b,s,a,D], key and value [b,t,c,D], result like query}}
  %o, %l = colo.attention %q, %q, %q {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32> -> tensor<2x3x4x6xf32>, tensor<2x4x3xf32>
  return
}

// -----

func.func @attention_heads(%q: tensor<2x3x4x5xf32>, %k: tensor<2x6x3x5xf32>, %mask: tensor<2x3xi1>) {
  // expected-error @below {{query and key must agree in batch and head size, and key heads divide query heads}}
  %o, %l = colo.attention %q, %k, %k {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x6x3x5xf32>, tensor<2x6x3x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return
}

// -----

func.func @attention_lse(%q: tensor<2x3x4x5xf32>, %k: tensor<2x6x3x5xf32>, %mask: tensor<2x3xi1>) {
  // expected-error @below {{lse must be [b,a,s]}}
  %o, %l = colo.attention %q, %q, %q {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x3x4xf32>
  return
}

// -----

func.func @attention_mask(%q: tensor<2x3x4x5xf32>, %mask: tensor<2x7xi1>) {
  // expected-error @below {{mask must be [b,t] of i1}}
  %o, %l = colo.attention %q, %q, %q mask %mask : tensor<2x7xi1> {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return
}

// -----

func.func @embedding_result(%table: tensor<7x3xf32>, %ids: tensor<2xi32>) {
  // expected-error @below {{result must be the ids' shape followed by the table's row shape}}
  %y = colo.embedding %table, %ids : tensor<7x3xf32>, tensor<2xi32> -> tensor<2x4xf32>
  return
}

// -----

func.func @einsum_summed_operand(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{has no operand 2 to sum; legal are 0 and 1}}
  %y, %s = "colo.einsum"(%x, %w) <{spec = "bi,oi->bo", summed = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 0>}> : (tensor<2x4xf32>, tensor<3x4xf32>) -> (tensor<2x3xf32>, tensor<2xf32>)
  return
}

// -----

func.func @einsum_bias_and_sums(%x: tensor<2x4xf32>, %w: tensor<3x4xf32>, %b: tensor<3xf32>) {
  // expected-error @below {{has both a bias and sums}}
  %y, %s = "colo.einsum"(%x, %w, %b) <{spec = "bi,oi->bo", summed = 0 : i64, operandSegmentSizes = array<i32: 1, 1, 0, 1, 0, 0>, resultSegmentSizes = array<i32: 1, 1, 0>}> : (tensor<2x4xf32>, tensor<3x4xf32>, tensor<3xf32>) -> (tensor<2x3xf32>, tensor<2xf32>)
  return
}
