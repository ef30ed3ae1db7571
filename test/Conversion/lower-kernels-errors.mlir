// RUN: colo-opt %s --lower-kernels -split-input-file -verify-diagnostics

func.func private @not_a_loop_nest(%x: tensor<4x8xf32>) -> tensor<8x4xf32> attributes {rt.kernel} {
  // expected-error @+1 {{is no loop nest: a kernel holds linalg.generic, linalg.fill, leading slices and scalar ops}}
  %y = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func private @slice_elsewhere(%x: tensor<4x8xf32>) -> tensor<4x4xf32> attributes {rt.kernel} {
  // expected-error @+1 {{is no loop nest}}
  %y = tensor.extract_slice %x[0, 4] [4, 4] [1, 1] : tensor<4x8xf32> to tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

func.func private @returns_its_argument(%x: tensor<4xf32>) -> tensor<4xf32> attributes {rt.kernel} {
  // expected-error @+1 {{result 0 is not made by a loop nest}}
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{is not strided with static strides}}
func.func private @dynamic_stride(%x: tensor<4xf32>) -> tensor<4xf32>
    attributes {rt.kernel, rt.layouts = [memref<4xf32, strided<[?]>>, memref<4xf32>]} {
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{'rt.layouts' has 1 entries, fewer than tensors}}
func.func private @missing_layout(%x: tensor<4xf32>) -> tensor<4xf32>
    attributes {rt.kernel, rt.layouts = [memref<4xf32>]} {
  return %x : tensor<4xf32>
}

// -----

// expected-error @+1 {{does not fit}}
func.func private @other_shape(%x: tensor<4xf32>) -> tensor<4xf32>
    attributes {rt.kernel, rt.layouts = [memref<5xf32>, memref<4xf32>]} {
  return %x : tensor<4xf32>
}

// -----

func.func private @attention(%q: tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) attributes {rt.kernel} {
  // expected-error @+1 {{CPUs have no kernel of attention: it is decomposed before kernels are formed}}
  %o, %lse = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return %o, %lse : tensor<2x3x4x8xf32>, tensor<2x4x3xf32>
}

// -----

// expected-error @+1 {{a kernel's results are tensors, not 'f32'}}
func.func private @scalar_result(%x: tensor<4xf32>) -> f32 attributes {rt.kernel} {
  %c0 = arith.constant 0 : index
  %y = tensor.extract %x[%c0] : tensor<4xf32>
  return %y : f32
}
