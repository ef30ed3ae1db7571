// RUN: colo-opt %s --dist-expand-ring=whole-head-size=8 | FileCheck %s
// RUN: colo-opt %s --dist-expand-ring=whole-head-size=7 | FileCheck %s --check-prefix=LARGER

dist.mesh @mesh <["sp"=8]> {zigzag = ["sp"]}

// Kernels that hold whole heads take what the turns before made: no turn has an output of its own, and nothing is merged. A turn is one
// product, though the ring is balanced: of the keys that come later kernels leave out the tiles. Larger heads are merged outside.

// CHECK-LABEL: @forward
// CHECK:       %[[O:.*]], %[[E:.*]] = colo.attention %arg0, {{.*}} {causal
// CHECK:       %[[LOOP:.*]]:3 = dist.loop {{.*}} carrying ({{.*}}, %[[OUT:.*]] = %[[E]] : tensor<4x3x2xf32>, %[[LSE:.*]] = %[[O]] : {{.*}})
// CHECK:         %[[O1:.*]], %[[E1:.*]] = colo.attention {{.*}} into %[[LSE]], %[[OUT]] : {{.*}} {causal
// CHECK:         dist.yield %{{.*}}, %[[E1]], %[[O1]]
// CHECK:       %[[O2:.*]], %[[E2:.*]] = colo.attention %arg0, {{.*}} into %[[LOOP]]#2, %[[LOOP]]#1
// CHECK-NEXT:  return %[[O2]], %[[E2]]
// LARGER-LABEL: @forward
// LARGER-NOT:   into
// LARGER:       colo.exp
func.func @forward(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x3x2xf32>) {
  %o, %lse = colo.attention %q, %k, %k {causal, scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 15, 1, 14, 2, 13, 3, 12, 4, 11, 5, 10, 6, 9, 7, 8>, global = 16 : i64, padded = 16 : i64},
    {axes = ["sp"], blocks = array<i64: 0, 15, 1, 14, 2, 13, 3, 12, 4, 11, 5, 10, 6, 9, 7, 8>, global = 16 : i64, padded = 16 : i64}]}
    : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32> -> tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
  return %o, %lse : tensor<4x2x3x8xf32>, tensor<4x3x2xf32>
}

// Backward rows go round: gradients of keys and values are added to those of the turns before, those of the rows to what arrives.

// CHECK-LABEL: @rows
// CHECK:       dist.loop {{.*}} carrying ({{.*}}, %[[DK:.*]] = %{{.*}} : {{.*}}, %[[DV:.*]] = %{{.*}} : {{.*}}) reading
// CHECK-NEXT:    dist.permute
// CHECK-NEXT:    %[[ARRIVED:.*]] = dist.permute
// CHECK:         %[[G:.*]], %[[GK:.*]], %[[GV:.*]] = colo.attention_grad {{.*}} dquery %[[ARRIVED]] dkey %[[DK]] dvalue %[[DV]]
// CHECK:         dist.yield %{{.*}}, %[[G]], %[[GK]], %[[GV]]
func.func @rows(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x3x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 16 : i64, padded = 16 : i64}, {axes = ["sp"], global = 16 : i64, padded = 16 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>,
       tensor<4x3x2xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>, tensor<4x2x3x8xf32>
}

// Keys go round where few heads have them: both gradients that arrive are added to where they are, in one message.

// CHECK-LABEL: @keys
// CHECK:       dist.loop {{.*}} carrying ({{.*}}, %[[DQ:.*]] = %{{.*}} : tensor<4x2x3x8xf32>) reading
// CHECK-NEXT:    dist.permute
// CHECK-NEXT:    %[[ARRIVED:.*]] = dist.permute {{.*}} : tensor<2x4x2x1x8xf32>
// CHECK:         colo.slice %[[ARRIVED]]
// CHECK:         colo.slice %[[ARRIVED]]
// CHECK:         %[[G:.*]], %[[GK:.*]], %[[GV:.*]] = colo.attention_grad {{.*}} dquery %[[DQ]] dkey
// CHECK:         %[[SENT:.*]] = dist.updated %[[ARRIVED]] by %[[GK]], %[[GV]]
// CHECK:         dist.yield %{{.*}}, %[[SENT]], %[[G]]
func.func @keys(%q: tensor<4x2x3x8xf32>, %k: tensor<4x2x1x8xf32>, %lse: tensor<4x3x2xf32>)
    -> (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>) {
  %dq, %dk, %dv = colo.attention_grad %q, %k, %k, %lse, %q delta %lse {scale = 0.5 : f64, positions = [
    {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
    {axes = ["sp"], global = 16 : i64, padded = 16 : i64}, {axes = ["sp"], global = 16 : i64, padded = 16 : i64}]}
    : (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>, tensor<4x3x2xf32>, tensor<4x2x3x8xf32>,
       tensor<4x3x2xf32>) -> (tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>)
  return %dq, %dk, %dv : tensor<4x2x3x8xf32>, tensor<4x2x1x8xf32>, tensor<4x2x1x8xf32>
}
