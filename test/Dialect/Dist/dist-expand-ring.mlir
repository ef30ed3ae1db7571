// RUN: colo-opt %s --dist-expand-ring | FileCheck %s

dist.mesh @mesh <["sp"=3]>

// Two hops of keys and values as one message; each turn knows whose keys it has. Turns are merged by their log-sum-exps.
// CHECK-LABEL: @forward
// CHECK: %[[OWN:.*]], %[[OWN_LSE:.*]] = colo.attention %arg0, %arg1, %arg1 {{.*}}axes = ["sp"], blocks = array<i64: 0, 1, 2>, global = 6
// CHECK: dist.permute {{.*}} from [2, 0, 1] over @mesh ["sp"] : tensor<2x4x2x3x8xf32>
// CHECK: %[[NEXT:.*]], %[[LSE:.*]] = colo.attention %arg0, {{.*}}blocks = array<i64: 2, 0, 1>
// CHECK: %[[LARGER:.*]] = colo.maximum %[[OWN_LSE]], %[[LSE]]
// CHECK: dist.permute {{.*}} from [2, 0, 1]
// CHECK: colo.attention %arg0, {{.*}}blocks = array<i64: 1, 2, 0>
// CHECK-NOT: dist.permute
// CHECK: colo.div
// CHECK: return
func.func @forward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x3x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, causal, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o, %lse : tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
}

// A mask of valid keys goes round beside them.
// CHECK-LABEL: @masked
// CHECK: colo.attention %arg0, %arg1, %arg1 mask %arg2 : tensor<4x2xi1>
// CHECK: %[[MASK:.*]] = dist.permute %arg2 from [2, 0, 1] over @mesh ["sp"] : tensor<4x2xi1>
// CHECK: colo.attention %arg0, {{.*}} mask %[[MASK]] : tensor<4x2xi1>
// CHECK: %[[LAST:.*]] = dist.permute %[[MASK]]
// CHECK: colo.attention %arg0, {{.*}} mask %[[LAST]] : tensor<4x2xi1>
func.func @masked(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %mask: tensor<4x2xi1>) -> tensor<4x2x3x8xf32> {
  %o, %lse = colo.attention %q, %k, %k mask %mask : tensor<4x2xi1> {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o : tensor<4x2x3x8xf32>
}

// Keys and values take two hops, gradients of foreign parts two more, the last one home; the own part's wait.
// CHECK-LABEL: @backward
// CHECK: colo.attention_grad %arg0, %arg1, %arg1, %arg0, %arg2, %arg0 {{.*}}blocks = array<i64: 0, 1, 2>
// CHECK: %[[OWN:.*]] = colo.concat
// CHECK: %[[KEYS:.*]] = dist.permute
// CHECK: colo.attention_grad {{.*}}blocks = array<i64: 2, 0, 1>
// CHECK: %[[FIRST:.*]] = colo.concat
// CHECK: dist.permute %[[KEYS]]
// CHECK: colo.attention_grad {{.*}}blocks = array<i64: 1, 2, 0>
// CHECK: %[[SECOND:.*]] = colo.concat
// CHECK: %[[PASSED:.*]] = dist.permute %[[FIRST]]
// CHECK: %[[LAST:.*]] = colo.add %[[PASSED]], %[[SECOND]]
// CHECK: %[[HOME:.*]] = dist.permute %[[LAST]]
// CHECK: colo.add %[[OWN]], %[[HOME]]
// CHECK-NOT: dist.permute
// CHECK: return
func.func @backward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %q, %lse, %q {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>,
       tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
}

// Whole keys need no ring.
// CHECK-LABEL: @whole
// CHECK-NOT: dist.permute
// CHECK: colo.attention
// CHECK-NOT: blocks
// CHECK: return
func.func @whole(%q: tensor<4x2x1x8xf32>, %k: tensor<4x6x1x8xf32>) -> (tensor<4x2x1x8xf32>, tensor<4x1x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 1 : i64, padded = 1 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = [], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x1x8xf32>, tensor<4x6x1x8xf32>, tensor<4x6x1x8xf32> -> tensor<4x2x1x8xf32>, tensor<4x1x2xf32>
  return %o, %lse : tensor<4x2x1x8xf32>, tensor<4x1x2xf32>
}
