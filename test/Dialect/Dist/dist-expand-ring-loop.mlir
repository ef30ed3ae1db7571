// RUN: colo-opt %s --dist-expand-ring | FileCheck %s
// RUN: sed 's/"sp"=8/"sp"=64/; s/16 : i64/128 : i64/g' %s | colo-opt --dist-expand-ring | FileCheck %s --check-prefix=LARGE

dist.mesh @mesh <["sp"=8]>

// The turns between the first and the last are a loop: what the next turn needs is sent before the turn's product, and the turn's
// number says whose keys it has.
// CHECK-LABEL: @forward
// CHECK: %[[NEXT:.*]] = dist.permute
// CHECK: colo.attention %arg0
// CHECK: %[[LOOP:.*]]:4 = dist.loop %[[T:.*]] in 6 carrying (%[[PAIR:.*]] = %[[NEXT]] : {{.*}}) reading (%[[ROWS:.*]] = %arg0 : tensor<4x2x3x8xf32>) {
// CHECK-NEXT: %[[SENT:.*]] = dist.permute %[[PAIR]] from [7, 0, 1, 2, 3, 4, 5, 6]
// CHECK: colo.attention %[[ROWS]], {{.*}}before = {loop = 0 : i64, turn = 1 : i64}
// CHECK: dist.yield %[[SENT]],
// CHECK-NOT: dist.permute
// CHECK: colo.attention %arg0, {{.*}}before = {turn = 7 : i64}
// CHECK-NOT: colo.attention
// CHECK: return

// As many ops for 64 members.
// LARGE-LABEL: @forward
// LARGE-COUNT-3: colo.attention
// LARGE-NOT: colo.attention
// LARGE: return
func.func @forward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x3x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 16 : i64, padded = 16 : i64}, {axes = ["sp"], global = 16 : i64, padded = 16 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o, %lse : tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
}

// Backward the second turn stands by itself: no gradient arrives in it.
// CHECK-LABEL: @backward
// CHECK-COUNT-2: colo.attention_grad
// CHECK: dist.loop %{{.*}} in 5
// CHECK-NEXT: dist.permute
// CHECK-NEXT: dist.permute
// CHECK: colo.attention_grad {{.*}}before = {loop = 0 : i64, turn = 2 : i64}
// CHECK: dist.yield
// CHECK: dist.permute
// CHECK: colo.attention_grad {{.*}}before = {turn = 7 : i64}
// CHECK: dist.permute
// CHECK: return
// LARGE-LABEL: @backward
// LARGE-COUNT-4: colo.attention_grad
// LARGE-NOT: colo.attention_grad
// LARGE: return
func.func @backward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 16 : i64, padded = 16 : i64}, {axes = ["sp"], global = 16 : i64, padded = 16 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>,
       tensor<4x3x2xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
}
