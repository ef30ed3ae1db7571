// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func @scalar_integer() {
  // expected-error @below {{'seed' is an i64}}
  %s = rt.scalar "seed" : f64
  return
}

// -----

func.func @scalar_float() {
  // expected-error @below {{'lr' is an f64}}
  %s = rt.scalar "lr" : i64
  return
}

// -----

func.func @scalar_unknown() {
  // expected-error @below {{unknown scalar 'loss'; legal are seed, step, first_row, layer, micro_batches, dp, replica, stage, updates, lr, bias_correction1, bias_correction2 and loss_scale}}
  %s = rt.scalar "loss" : f64
  return
}

// -----

func.func @inverse_count() {
  // expected-error @below {{term -1 is negative}}
  %s = rt.inverse_count {term = -1 : i64} : f64
  return
}

// -----

func.func @launch_destinations_and_results(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{has destinations and results; a launch on memrefs has destinations only}}
  %y = rt.launch @k() outs(%a) : () -> tensor<8xf32> outs memref<8xf32>
  return
}

// -----

func.func @launch_mixed(%t: tensor<8xf32>, %a: memref<8xf32>) {
  // expected-error @below {{mixes tensors and memrefs}}
  rt.launch @k(%t) outs(%a) : (tensor<8xf32>) -> () outs memref<8xf32>
  return
}

// -----

func.func @launch_one_destination(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{names one destination twice}}
  rt.launch @k() outs(%a, %a) : () -> () outs memref<8xf32>, memref<8xf32>
  return
}

// -----

func.func @gemm_sizes(%a: memref<4x8xf32>, %b: memref<8x4xf32>, %c: memref<4x4xf32>) {
  // expected-error @below {{needs three sizes and two strides for each matrix}}
  "rt.gemm"(%a, %b, %c) <{sizes = array<i64: 4, 4>, a = array<i64: 8, 1>, b = array<i64: 4, 1>, c = array<i64: 4, 1>, batch = array<i64>, a_batch = array<i64>, b_batch = array<i64>, c_batch = array<i64>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}> : (memref<4x8xf32>, memref<8x4xf32>, memref<4x4xf32>) -> ()
  return
}

// -----

func.func @gemm_batch(%a: memref<4x8xf32>, %b: memref<8x4xf32>, %c: memref<4x4xf32>) {
  // expected-error @below {{needs one stride a matrix for each of at most four batch dims}}
  "rt.gemm"(%a, %b, %c) <{sizes = array<i64: 4, 4, 8>, a = array<i64: 8, 1>, b = array<i64: 4, 1>, c = array<i64: 4, 1>, batch = array<i64: 2>, a_batch = array<i64>, b_batch = array<i64>, c_batch = array<i64>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}> : (memref<4x8xf32>, memref<8x4xf32>, memref<4x4xf32>) -> ()
  return
}

// -----

func.func @gemm_strides(%a: memref<4x8xf32>, %b: memref<8x4xf32>, %c: memref<4x4xf32>) {
  // expected-error @below {{needs a stride of 1 in each operand and in the result's last dim}}
  "rt.gemm"(%a, %b, %c) <{sizes = array<i64: 4, 4, 8>, a = array<i64: 16, 2>, b = array<i64: 4, 1>, c = array<i64: 4, 1>, batch = array<i64>, a_batch = array<i64>, b_batch = array<i64>, c_batch = array<i64>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}> : (memref<4x8xf32>, memref<8x4xf32>, memref<4x4xf32>) -> ()
  return
}

// -----

func.func @gemm_elements(%a: memref<4x8xf32>, %b: memref<8x4xf32>, %c: memref<4x4xf64>) {
  // expected-error @below {{element types differ}}
  "rt.gemm"(%a, %b, %c) <{sizes = array<i64: 4, 4, 8>, a = array<i64: 8, 1>, b = array<i64: 4, 1>, c = array<i64: 4, 1>, batch = array<i64>, a_batch = array<i64>, b_batch = array<i64>, c_batch = array<i64>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>}> : (memref<4x8xf32>, memref<8x4xf32>, memref<4x4xf64>) -> ()
  return
}

// -----

func.func @buffer() {
  // expected-error @below {{unknown buffer 'weights'; legal are params, copies, grads}}
  %p = rt.buffer "weights" : memref<8xf32>
  return
}

// -----

func.func @sum_of_integers(%v: memref<8xi32>, %t: memref<2xf64>) {
  // expected-error @below {{adds floating-point values, not 'memref<8xi32>'}}
  rt.sum %v to %t at 1 : memref<8xi32>, memref<2xf64>
  return
}

// -----

func.func @sum_to_f32(%v: memref<8xf32>, %t: memref<2xf32>) {
  // expected-error @below {{adds to f64 or i64, not 'f32'}}
  rt.sum %v to %t at 1 : memref<8xf32>, memref<2xf32>
  return
}

// -----

func.func @sum_outside(%v: memref<8xf32>, %t: memref<2xf64>) {
  // expected-error @below {{adds to element 2 of 'memref<2xf64>'}}
  rt.sum %v to %t at 2 : memref<8xf32>, memref<2xf64>
  return
}

// -----

func.func @table() {
  // expected-error @below {{has 2 numbers for 'memref<3x1xi64>'}}
  %t = rt.table [0, 1] : memref<3x1xi64>
  return
}

// -----

func.func @slot_element(%a: memref<8xf64>) {
  // expected-error @below {{reads 'f32' from a buffer of 'f64'}}
  %s = rt.slot %a at 0 : memref<8xf64> to memref<8xf32>
  return
}

// -----

func.func @slot_strides(%a: memref<64xi8>) {
  // expected-error @below {{result must have static strides and offset 0, but is}}
  %s = rt.slot %a at 0 : memref<64xi8> to memref<4xf32, strided<[1], offset: 2>>
  return
}

// -----

func.func @collective_elements(%a: memref<8xf32>, %b: memref<8xf64>) {
  // expected-error @below {{element types differ: 'memref<8xf32>' and 'memref<8xf64>'}}
  rt.all_gather %a, %b over ["tp"] : memref<8xf32>, memref<8xf64>
  return
}

// -----

func.func @collective_of_nobody(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{communicates over no axis}}
  rt.all_reduce %a, %b over [] : memref<8xf32>, memref<8xf32>
  return
}

// -----

func.func @reduction(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{unknown reduction 'mean'; legal are sum and max}}
  rt.all_reduce %a, %b over ["tp"] {kind = "mean"} : memref<8xf32>, memref<8xf32>
  return
}

// -----

func.func @counts(%a: memref<8xf32>, %b: memref<4xf32>) {
  // expected-error @below {{sends 8 elements and receives 4}}
  rt.all_reduce %a, %b over ["tp"] : memref<8xf32>, memref<4xf32>
  return
}

// -----

func.func @permute(%a: memref<8xf32>, %b: memref<8xf32>) {
  // expected-error @below {{sources are not a permutation of the ranks}}
  rt.permute %a, %b over ["tp"] {sources = array<i64: 0, 0>} : memref<8xf32>, memref<8xf32>
  return
}

// -----

func.func @scatter_shape(%d: tensor<4x8x64xf32>, %ids: tensor<4x8xi32>, %first: index) {
  // expected-error @below {{gradient must be the ids' shape followed by the result's row shape}}
  %t = rt.scatter_add %d, %ids, %first : tensor<4x8x64xf32>, tensor<4x8xi32> -> tensor<50x32xf32>
  return
}

// -----

func.func @scatter_element(%d: tensor<4x8x64xf32>, %ids: tensor<4x8xi32>, %first: index) {
  // expected-error @below {{gradient and result differ in element type}}
  %t = rt.scatter_add %d, %ids, %first : tensor<4x8x64xf32>, tensor<4x8xi32> -> tensor<50x64xf64>
  return
}

// -----

func.func @scatter_ids(%d: tensor<4x8x64xf32>, %ids: tensor<4x8xf32>, %first: index) {
  // expected-error @below {{ids must be integers}}
  %t = rt.scatter_add %d, %ids, %first : tensor<4x8x64xf32>, tensor<4x8xf32> -> tensor<50x64xf32>
  return
}
