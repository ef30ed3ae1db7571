// RUN: colo-opt %s --colo-decompose-attention | FileCheck %s
// RUN: colo-opt %s --colo-decompose-attention=whole-head-size=9 | FileCheck %s
// RUN: colo-opt %s --colo-decompose-attention=whole-head-size=10 | FileCheck %s --check-prefix=WHOLE

// Heads of which the target has kernels stay whole: of 5 elements, which 16 bytes do not divide, each counts twice.
// WHOLE-LABEL: func.func @full_attention_needs_no_positions
// WHOLE-NEXT:    colo.attention
// WHOLE-NEXT:    return

// CHECK-LABEL: func.func @full_attention_needs_no_positions
// CHECK-NOT:     colo.iota
// CHECK:         colo.einsum "bscd,btcd->bcst"
// CHECK:         colo.einsum "bcst,btcd->bscd"
func.func @full_attention_needs_no_positions(%q: tensor<2x3x4x5xf32>, %k: tensor<2x7x4x5xf32>) -> tensor<2x3x4x5xf32> {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x7x4x5xf32>, tensor<2x7x4x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return %o : tensor<2x3x4x5xf32>
}

// CHECK-LABEL: func.func @grouped_heads_are_not_repeated
// CHECK:         colo.reshape %{{.*}} : tensor<2x3x4x5xf32> -> tensor<2x3x2x2x5xf32>
// CHECK:         colo.einsum "bscrd,btcd->bcrst"
// CHECK:         colo.reshape %{{.*}} : tensor<2x2x2x3x7xf32> -> tensor<2x4x3x7xf32>
// CHECK:         colo.einsum "bcrst,btcd->bscrd"
func.func @grouped_heads_are_not_repeated(%q: tensor<2x3x4x5xf32>, %k: tensor<2x7x2x5xf32>) -> tensor<2x3x4x5xf32> {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x7x2x5xf32>, tensor<2x7x2x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return %o : tensor<2x3x4x5xf32>
}

// Forward and backward select by the mask of valid keys, a row of keys for each query, and by the causal one.

// CHECK-LABEL: func.func @masked
// CHECK:         %[[MASK:.*]] = colo.broadcast %arg2 {dims = array<i64: 0, 3>} : tensor<2x3xi1> -> tensor<2x4x3x3xi1>
// CHECK:         %[[BOTH:.*]] = colo.and %{{.*}}, %[[MASK]]
// CHECK:         colo.select %[[BOTH]], {{.*}} : tensor<2x4x3x3xi1>, {{.*}}
// CHECK:         colo.exp
// CHECK-NEXT:    colo.constant 0.0
// CHECK-NEXT:    colo.select %[[BOTH]]
// CHECK-LABEL: func.func @masked_backward
// CHECK:         %[[MASK:.*]] = colo.broadcast %arg3 {dims = array<i64: 0, 3>}
// CHECK-NOT:     colo.iota
// CHECK:         colo.select %[[MASK]], {{.*}} : tensor<2x4x3x3xi1>, {{.*}}
func.func @masked(%q: tensor<2x3x4x5xf32>, %k: tensor<2x3x2x5xf32>, %mask: tensor<2x3xi1>) -> tensor<2x3x4x5xf32> {
  %o, %lse = colo.attention %q, %k, %k mask %mask : tensor<2x3xi1> {scale = 0.5 : f64, causal} : tensor<2x3x4x5xf32>, tensor<2x3x2x5xf32>, tensor<2x3x2x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return %o : tensor<2x3x4x5xf32>
}
func.func @masked_backward(%q: tensor<2x3x4x5xf32>, %k: tensor<2x3x2x5xf32>, %lse: tensor<2x4x3xf32>, %mask: tensor<2x3xi1>) -> tensor<2x3x4x5xf32> {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q mask %mask {scale = 0.5 : f64} : (tensor<2x3x4x5xf32>, tensor<2x3x2x5xf32>, tensor<2x3x2x5xf32>, tensor<2x4x3xf32>, tensor<2x3x4x5xf32>, tensor<2x3xi1>) -> (tensor<2x3x4x5xf32>, tensor<2x3x2x5xf32>, tensor<2x3x2x5xf32>)
  return %dq : tensor<2x3x4x5xf32>
}

// The mask compares the last two positions; dropout has all four. Backward draws the same numbers twice.

// CHECK-LABEL: func.func @positions_are_handed_on
// CHECK-DAG:     colo.iota {dim = 1 : i64, positions = [{axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {}]} : tensor<3x6xi32>
// CHECK-DAG:     colo.iota {dim = 0 : i64, positions = [{axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {}]} : tensor<3x6xi32>
// CHECK-COUNT-2: colo.dropout {{.*}} {id = 3 : i64, positions = [{}, {axes = ["tp"], global = 8 : i64, padded = 8 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {}], rate = 1.000000e-01 : f64} : tensor<2x4x3x6xf32>
func.func @positions_are_handed_on(%q: tensor<2x3x4x5xf32>, %k: tensor<2x6x4x5xf32>, %lse: tensor<2x4x3xf32>) -> tensor<2x3x4x5xf32> {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, causal, dropout = 0.1 : f64, id = 3 : i64, positions = [{}, {axes = ["tp"], global = 8 : i64, padded = 8 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {}]} : (tensor<2x3x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x4x3xf32>, tensor<2x3x4x5xf32>, tensor<2x4x3xf32>) -> (tensor<2x3x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x6x4x5xf32>)
  return %dq : tensor<2x3x4x5xf32>
}

// Without delta the sum is taken over the probabilities.

// CHECK-LABEL: func.func @delta_of_probabilities
// CHECK:         %[[P:.*]] = colo.exp
// CHECK:         %[[DP:.*]] = colo.einsum "bscd,btcd->bcst"
// CHECK:         %[[PRODUCT:.*]] = colo.mul %[[P]], %[[DP]]
// CHECK:         colo.reduce %[[PRODUCT]] {dims = array<i64: 3>, kind = 0 : i32}
func.func @delta_of_probabilities(%q: tensor<2x3x4x5xf32>, %k: tensor<2x6x4x5xf32>, %lse: tensor<2x4x3xf32>) -> tensor<2x3x4x5xf32> {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q {scale = 0.5 : f64} : (tensor<2x3x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x4x3xf32>, tensor<2x3x4x5xf32>) -> (tensor<2x3x4x5xf32>, tensor<2x6x4x5xf32>, tensor<2x6x4x5xf32>)
  return %dq : tensor<2x3x4x5xf32>
}

// The kernels of a gradient that stays whole read delta: without it the output is made again, with the same numbers of dropout.

// WHOLE-LABEL: func.func @whole_gradient_without_delta
// WHOLE-NEXT:    %[[O:.*]], %{{.*}} = colo.attention %arg0, %arg0, %arg0 {causal, dropout = 1.000000e-01 : f64, id = 3 : i64, scale
// WHOLE-NEXT:    %[[P:.*]] = colo.mul %arg2, %[[O]]
// WHOLE-NEXT:    %[[S:.*]] = colo.reduce %[[P]] {dims = array<i64: 3>
// WHOLE-NEXT:    %[[D:.*]] = colo.transpose %[[S]] {permutation = array<i64: 0, 2, 1>}
// WHOLE-NEXT:    colo.attention_grad %arg0, %arg0, %arg0, %arg1, %arg2 delta %[[D]]
func.func @whole_gradient_without_delta(%q: tensor<2x3x4x5xf32>, %lse: tensor<2x4x3xf32>, %d: tensor<2x3x4x5xf32>) -> tensor<2x3x4x5xf32> {
  %dq, %dk, %dv = colo.attention_grad %q, %q, %q, %lse, %d {scale = 0.5 : f64, causal, dropout = 0.1 : f64, id = 3 : i64}
    : (tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x4x3xf32>, tensor<2x3x4x5xf32>)
    -> (tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>)
  return %dq : tensor<2x3x4x5xf32>
}
