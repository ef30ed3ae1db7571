// RUN: colo-opt %s --dist-expand-ring | FileCheck %s
// RUN: colo-opt %s --dist-expand-ring=algorithm=reference | FileCheck %s --check-prefix=REFERENCE

dist.mesh @mesh <["sp"=2]> {zigzag = ["sp"]}

// A half is 2 of 8. Own keys: the first half of the rows with the first half of the keys, the second half with both, masked.
// Then, without a mask, the second half of the rows with the first half of the keys, and of both sides the second half on
// rank 0, whose rows come before the keys, and the first half on rank 1.
// CHECK-LABEL: @forward
// CHECK: %[[PAIR:.*]] = dist.permute
// CHECK: colo.attention {{.*}}causal{{.*}}blocks = array<i64: 0, 1>{{.*}}blocks = array<i64: 0, 1>{{.*}} tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
// CHECK: colo.attention {{.*}}causal{{.*}}blocks = array<i64: 3, 2>{{.*}}blocks = array<i64: 0, 3, 1, 2>{{.*}} tensor<4x2x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>
// CHECK: colo.attention
// CHECK-NOT: causal
// CHECK-SAME: blocks = array<i64: 3, 2>{{.*}}before = {turn = 1 : i64}, blocks = array<i64: 0, 1>{{.*}} tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
// CHECK: %[[HALF:.*]] = dist.half turn 1 over @mesh ["sp"]
// CHECK: dist.part %arg0 dim 1 number 0 plus %[[HALF]] : tensor<4x4x3x8xf32> -> tensor<4x2x3x8xf32>
// CHECK: dist.part %[[PAIR]] dim 2 number 0 plus {{.*}} : tensor<2x4x4x3x8xf32> -> tensor<2x4x2x3x8xf32>
// CHECK: colo.attention
// CHECK-NOT: causal
// CHECK-SAME: {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, half = {turn = 1 : i64}, padded = 8 : i64}, {axes = ["sp"], before = {turn = 1 : i64}, blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, half = {turn = 1 : i64}
// CHECK-NOT: colo.attention
// CHECK: return

// The gathered keys are put in order.
// REFERENCE-LABEL: @forward
// REFERENCE: dist.all_gather {{.*}} -> tensor<2x4x8x3x8xf32>
// REFERENCE: colo.concat {{.*}} {dim = 2 : i64} : (tensor<2x4x2x3x8xf32>, tensor<2x4x4x3x8xf32>, tensor<2x4x2x3x8xf32>) -> tensor<2x4x8x3x8xf32>
// REFERENCE: colo.attention
func.func @forward(%q: tensor<4x4x3x8xf32>, %k: tensor<4x4x3x8xf32>) -> (tensor<4x4x3x8xf32>, tensor<4x3x4xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, causal, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64}]}
    : tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32> -> tensor<4x4x3x8xf32>, tensor<4x3x4xf32>
  return %o, %lse : tensor<4x4x3x8xf32>, tensor<4x3x4xf32>
}

// Where rows go round it is the other way round: rank 0 has rows of rank 1, which come after its keys, and does first halves.
// CHECK-LABEL: @backward
// CHECK-COUNT-2: colo.attention_grad {{.*}}causal
// CHECK: colo.attention_grad
// CHECK-NOT: causal
// CHECK-SAME: before = {turn = 1 : i64}, blocks = array<i64: 3, 2>{{.*}}blocks = array<i64: 0, 1>
// CHECK: dist.half turn 1 over @mesh ["sp"] {rows_travel}
// CHECK: colo.attention_grad
// CHECK-NOT: causal
// CHECK-SAME: half = {rows_travel, turn = 1 : i64}{{.*}}half = {rows_travel, turn = 1 : i64}
// CHECK-NOT: colo.attention_grad
// CHECK: return
func.func @backward(%q: tensor<4x4x3x8xf32>, %k: tensor<4x4x3x8xf32>, %lse: tensor<4x3x4xf32>)
    -> (tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, causal, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64}]}
    : (tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x3x4xf32>, tensor<4x4x3x8xf32>,
       tensor<4x3x4xf32>) -> (tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>)
  return %dq, %dk, %dv : tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>
}

// Full attention beside causal attention makes every turn with all it has.
// CHECK-LABEL: @full
// CHECK: colo.attention {{.*}}blocks = array<i64: 0, 3, 1, 2>{{.*}}blocks = array<i64: 0, 3, 1, 2>
// CHECK: colo.attention {{.*}}blocks = array<i64: 0, 3, 1, 2>{{.*}}before = {turn = 1 : i64}, blocks = array<i64: 0, 3, 1, 2>
// CHECK-NOT: colo.attention
// CHECK: return
func.func @full(%q: tensor<4x4x3x8xf32>, %k: tensor<4x4x3x8xf32>) -> (tensor<4x4x3x8xf32>, tensor<4x3x4xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64}]}
    : tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32>, tensor<4x4x3x8xf32> -> tensor<4x4x3x8xf32>, tensor<4x3x4xf32>
  return %o, %lse : tensor<4x4x3x8xf32>, tensor<4x3x4xf32>
}
