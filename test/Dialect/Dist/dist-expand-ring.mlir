// RUN: colo-opt %s --dist-expand-ring | FileCheck %s
// RUN: colo-opt %s --dist-expand-ring=algorithm=reference | FileCheck %s --check-prefix=REFERENCE
// RUN: not colo-opt %s --dist-expand-ring=algorithm=unrolled 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: unknown algorithm 'unrolled'; there are loop, reference

dist.mesh @mesh <["sp"=3]>

// Two hops of keys and values as one message, each on its way before the product of its turn; each turn knows whose keys
// it has. Turns are merged by their log-sum-exps.
// CHECK-LABEL: @forward
// CHECK: %[[FIRST:.*]] = dist.permute {{.*}} from [2, 0, 1] over @mesh ["sp"] : tensor<2x4x2x3x8xf32>
// CHECK: %[[OWN:.*]], %[[OWN_LSE:.*]] = colo.attention %arg0, {{.*}}{axes = ["sp"], global = 6 : i64, padded = 6 : i64}],
// CHECK: dist.permute %[[FIRST]] from [2, 0, 1]
// CHECK: %[[NEXT:.*]], %[[LSE:.*]] = colo.attention %arg0, {{.*}}{axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], before = {turn = 1 : i64}, global
// CHECK: %[[LARGER:.*]] = colo.maximum %[[OWN_LSE]], %[[LSE]]
// CHECK-NOT: dist.permute
// CHECK: colo.attention %arg0, {{.*}}before = {turn = 2 : i64}
// CHECK: colo.div
// CHECK: return

// REFERENCE-LABEL: @forward
// REFERENCE: dist.all_gather {{.*}} dim 2 over @mesh ["sp"] : tensor<2x4x2x3x8xf32> -> tensor<2x4x6x3x8xf32>
// REFERENCE: colo.attention %arg0, {{.*}} {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = [], global = 6 : i64, padded = 6 : i64}]
// REFERENCE-NOT: colo.attention
// REFERENCE: return
func.func @forward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x3x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, causal, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o, %lse : tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
}

// A mask of valid keys goes round beside them.
// CHECK-LABEL: @masked
// CHECK: %[[MASK:.*]] = dist.permute %arg2 from [2, 0, 1] over @mesh ["sp"] : tensor<4x2xi1>
// CHECK: colo.attention %arg0, {{.*}} mask %arg2 : tensor<4x2xi1>
// CHECK: %[[LAST:.*]] = dist.permute %[[MASK]]
// CHECK: colo.attention %arg0, {{.*}} mask %[[MASK]] : tensor<4x2xi1>
// CHECK: colo.attention %arg0, {{.*}} mask %[[LAST]] : tensor<4x2xi1>

// REFERENCE-LABEL: @masked
// REFERENCE: %[[MASK:.*]] = dist.all_gather %arg2 dim 1
// REFERENCE: colo.attention %arg0, {{.*}} mask %[[MASK]] : tensor<4x6xi1>
func.func @masked(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %mask: tensor<4x2xi1>) -> tensor<4x2x3x8xf32> {
  %o, %lse = colo.attention %q, %k, %k mask %mask : tensor<4x2xi1> {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o : tensor<4x2x3x8xf32>
}

// As many key heads as query heads: 3·8+2 numbers of rows are less than 4·8 of keys. Queries, gradients, log-sum-exps and
// deltas take two hops, gradients of foreign queries two more, the last one home; those of keys never move.
// CHECK-LABEL: @rows_go_round
// CHECK: %[[ROWS:.*]] = colo.concat {{.*}} {dim = 3 : i64} : {{.*}} -> tensor<4x2x3x18xf32>
// CHECK: %[[ONE:.*]] = dist.permute %[[ROWS]]
// CHECK: %[[OWN:.*]], %{{.*}}, %{{.*}} = colo.attention_grad
// CHECK: dist.permute %[[ONE]]
// CHECK: %[[FIRST:.*]], %{{.*}}, %{{.*}} = colo.attention_grad {{.*}}{axes = ["sp"], before = {turn = 1 : i64}, global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global
// CHECK: %[[PASSED:.*]] = dist.permute %[[FIRST]] {{.*}} tensor<4x2x3x8xf32>
// CHECK: %[[SECOND:.*]], %{{.*}}, %{{.*}} = colo.attention_grad
// CHECK: %[[LAST:.*]] = colo.add %[[PASSED]], %[[SECOND]]
// CHECK: %[[HOME:.*]] = dist.permute %[[LAST]]
// CHECK: colo.add %[[OWN]], %[[HOME]]
// CHECK-NOT: dist.permute
// CHECK: return

// REFERENCE-LABEL: @rows_go_round
// REFERENCE: dist.all_gather
// REFERENCE: colo.attention_grad
// REFERENCE: dist.reduce_scatter sum {{.*}} dim 2 over @mesh ["sp"] : tensor<2x4x6x3x8xf32> -> tensor<2x4x2x3x8xf32>
// REFERENCE: return
func.func @rows_go_round(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>,
       tensor<4x3x2xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
}

// One key head for three query heads: keys and values take two hops, gradients of foreign parts two more; the own part's wait.
// CHECK-LABEL: @keys_go_round
// CHECK: %[[KEYS:.*]] = dist.permute {{.*}} tensor<2x4x2x1x8xf32>
// CHECK: colo.attention_grad %arg0, {{.*}} delta %arg2
// CHECK-NOT: before
// CHECK: %[[OWN:.*]] = colo.concat
// CHECK: dist.permute %[[KEYS]]
// CHECK: colo.attention_grad {{.*}}{axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], before = {turn = 1 : i64}
// CHECK: %[[FIRST:.*]] = colo.concat
// CHECK: %[[PASSED:.*]] = dist.permute %[[FIRST]]
// CHECK: colo.attention_grad {{.*}}before = {turn = 2 : i64}
// CHECK: %[[SECOND:.*]] = colo.concat
// CHECK: %[[LAST:.*]] = colo.add %[[PASSED]], %[[SECOND]]
// CHECK: %[[HOME:.*]] = dist.permute %[[LAST]]
// CHECK: colo.add %[[OWN]], %[[HOME]]
// CHECK-NOT: dist.permute
// CHECK: return
func.func @keys_go_round(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x1x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = ["sp"], global = 6 : i64, padded = 6 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>,
       tensor<4x3x2xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>
}

// Whole keys need no ring.
// CHECK-LABEL: @whole
// CHECK-NOT: dist.permute
// CHECK: colo.attention
// CHECK-NOT: before
// CHECK: return
func.func @whole(%q: tensor<4x2x1x8xf32>, %k: tensor<4x6x1x8xf32>) -> (tensor<4x2x1x8xf32>, tensor<4x1x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 1 : i64, padded = 1 : i64},
    {axes = ["sp"], global = 6 : i64, padded = 6 : i64}, {axes = [], global = 6 : i64, padded = 6 : i64}]}
    : tensor<4x2x1x8xf32>, tensor<4x6x1x8xf32>, tensor<4x6x1x8xf32> -> tensor<4x2x1x8xf32>, tensor<4x1x2xf32>
  return %o, %lse : tensor<4x2x1x8xf32>, tensor<4x1x2xf32>
}
