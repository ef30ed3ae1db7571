// RUN: colo-opt %s --dist-block-attention=rows=32 | FileCheck %s
// RUN: colo-opt %s --dist-block-attention='rows=32 scores=10000' | FileCheck %s --check-prefix=SAMPLES
// RUN: colo-opt %s --dist-block-attention='rows=32 scores=10000 whole-head-size=8' | FileCheck %s --check-prefix=WHOLE

// WHOLE-LABEL: @forward
// WHOLE-NEXT: colo.attention
// WHOLE-NEXT: return

// The most rows up to 32 that divide 96. Each round gives its rows of both results.
// CHECK-LABEL: @forward
// CHECK: %[[ALL:.*]]:2 = dist.loop %[[I:.*]] in 3 reading (%[[Q:.*]] = %arg0 : {{.*}}, %[[K:.*]] = %arg1 : {{.*}}, %[[M:.*]] = %arg2 : tensor<4x50xi1>) {
// CHECK-NEXT: %[[ROWS:.*]] = dist.part %[[Q]] dim 1 number 0 plus %[[I]] : tensor<4x96x3x8xf32> -> tensor<4x32x3x8xf32>
// CHECK-NEXT: %[[O:.*]], %[[L:.*]] = colo.attention %[[ROWS]], %[[K]], %[[K]] mask %[[M]] : tensor<4x50xi1> {causal, positions = [{{.*}}{axes = [], global = 96 : i64, padded = 96 : i64, part = {loop = 0 : i64, of = 96 : i64}}, {axes = [], global = 50
// CHECK-NEXT: dist.yield %[[O]], %[[L]]
// CHECK-NEXT: } {dims = array<i64: 1, 2>}
// CHECK: return %[[ALL]]#0, %[[ALL]]#1
func.func @forward(%q: tensor<4x96x3x8xf32>, %k: tensor<4x50x3x8xf32>, %m: tensor<4x50xi1>) -> (tensor<4x96x3x8xf32>, tensor<4x3x96xf32>) {
  %o, %lse = colo.attention %q, %k, %k mask %m : tensor<4x50xi1> {scale = 0.5 : f64, causal}
    : tensor<4x96x3x8xf32>, tensor<4x50x3x8xf32>, tensor<4x50x3x8xf32> -> tensor<4x96x3x8xf32>, tensor<4x3x96xf32>
  return %o, %lse : tensor<4x96x3x8xf32>, tensor<4x3x96xf32>
}

// Gradients of key and value add up over the rounds. In a loop of turns those of the turns are one level further out.
dist.mesh @mesh <["sp"=2]>
// CHECK-LABEL: @backward
// CHECK: dist.loop %[[T:.*]] in 2
// CHECK: dist.loop %[[I:.*]] in 3 inside (%{{.*}} = %[[T]] : index) carrying (%[[DK:.*]] = %{{.*}} : tensor<4x96x3x8xf32>, %{{.*}} = %{{.*}} : tensor<4x96x3x8xf32>) reading
// CHECK: colo.iota {{.*}}part = {loop = 0 : i64, of = 96 : i64}}, {axes = ["sp"], before = {loop = 1 : i64, turn = 2 : i64}
// CHECK: %[[NEW:.*]] = colo.einsum "bcst,bscd->btcd", {{.*}} into %[[DK]] :
// CHECK: dist.yield %[[NEW]],
// CHECK-NEXT: } {dims = array<i64: 1>}
func.func @backward(%q: tensor<4x96x3x8xf32>, %lse: tensor<4x3x96xf32>) -> tensor<4x96x3x8xf32> {
  %0 = dist.loop %t in 2 carrying (%k = %q : tensor<4x96x3x8xf32>) reading (%l = %lse : tensor<4x3x96xf32>) {
    %dq, %dk, %dv = colo.attention_grad %k, %k, %k, %l, %k delta %l {scale = 0.5 : f64, causal, positions = [
      {axes = [], global = 4 : i64, padded = 4 : i64}, {axes = [], global = 3 : i64, padded = 3 : i64},
      {axes = ["sp"], global = 192 : i64, padded = 192 : i64},
      {axes = ["sp"], before = {loop = 0 : i64, turn = 2 : i64}, global = 192 : i64, padded = 192 : i64}]}
      : (tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>, tensor<4x3x96xf32>, tensor<4x96x3x8xf32>,
         tensor<4x3x96xf32>) -> (tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>)
    dist.yield %dk : tensor<4x96x3x8xf32>
  } : tensor<4x96x3x8xf32>
  return %0 : tensor<4x96x3x8xf32>
}

// Rows that no block divides: four blocks of 25, the last with three rows of zeros. Positions speak of the 97.
// CHECK-LABEL: @prime
// CHECK: %[[PADDED:.*]] = colo.pad %arg0 {offsets = array<i64: 0, 0, 0, 0>, {{.*}}} : tensor<4x97x3x8xf32> -> tensor<4x100x3x8xf32>
// CHECK: %[[ALL:.*]]:2 = dist.loop %[[I:.*]] in 4 reading (%[[Q:.*]] = %[[PADDED]] : tensor<4x100x3x8xf32>, %{{.*}} = %arg0 : tensor<4x97x3x8xf32>)
// CHECK: dist.part %[[Q]] dim 1 number 0 plus %[[I]] : tensor<4x100x3x8xf32> -> tensor<4x25x3x8xf32>
// CHECK: {axes = [], global = 97 : i64, padded = 97 : i64, part = {loop = 0 : i64, of = 97 : i64}}
// CHECK: colo.slice %[[ALL]]#0 {{.*}} : tensor<4x100x3x8xf32> -> tensor<4x97x3x8xf32>
// CHECK: colo.slice %[[ALL]]#1 {{.*}} : tensor<4x3x100xf32> -> tensor<4x3x97xf32>
func.func @prime(%q: tensor<4x97x3x8xf32>) -> (tensor<4x97x3x8xf32>, tensor<4x3x97xf32>) {
  %o, %lse = colo.attention %q, %q, %q {scale = 0.5 : f64}
    : tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32> -> tensor<4x97x3x8xf32>, tensor<4x3x97xf32>
  return %o, %lse : tensor<4x97x3x8xf32>, tensor<4x3x97xf32>
}

// All that a row has gets zeros: its query, the gradient of its output, both statistics.
// CHECK-LABEL: @prime_backward
// CHECK-COUNT-4: colo.pad
// CHECK: %[[ALL:.*]]:3 = dist.loop
// CHECK: colo.slice %[[ALL]]#2 {{.*}} : tensor<4x100x3x8xf32> -> tensor<4x97x3x8xf32>
func.func @prime_backward(%q: tensor<4x97x3x8xf32>, %lse: tensor<4x3x97xf32>) -> tensor<4x97x3x8xf32> {
  %dq, %dk, %dv = colo.attention_grad %q, %q, %q, %lse, %q delta %lse {scale = 0.5 : f64}
    : (tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32>, tensor<4x3x97xf32>, tensor<4x97x3x8xf32>,
       tensor<4x3x97xf32>) -> (tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32>, tensor<4x97x3x8xf32>)
  return %dq : tensor<4x97x3x8xf32>
}

// Few rows stay whole.
// CHECK-LABEL: @whole
// CHECK-NOT: dist.loop
// CHECK: return
func.func @whole(%q: tensor<4x32x3x8xf32>) -> tensor<4x32x3x8xf32> {
  %o, %lse = colo.attention %q, %q, %q {scale = 0.5 : f64}
    : tensor<4x32x3x8xf32>, tensor<4x32x3x8xf32>, tensor<4x32x3x8xf32> -> tensor<4x32x3x8xf32>, tensor<4x3x32xf32>
  return %o : tensor<4x32x3x8xf32>
}

// A sample has 3 x 32 x 50 scores in a round of rows: two fit into 10000. The mask goes along, and rows are blocks inside.
// SAMPLES-LABEL: @forward
// SAMPLES: dist.loop %[[I:.*]] in 2 reading (%[[Q:.*]] = %arg0 : {{.*}}, %[[K:.*]] = %arg1 : {{.*}}, %[[M:.*]] = %arg2 : tensor<4x50xi1>) {
// SAMPLES: %[[MASK:.*]] = dist.part %[[M]] dim 0 number 0 plus %[[I]] : tensor<4x50xi1> -> tensor<2x50xi1>
// SAMPLES: dist.loop {{.*}} in 3 inside (%{{.*}} = %[[I]] : index)
// SAMPLES: colo.attention {{.*}}positions = [{axes = [], global = 4 : i64, padded = 4 : i64, part = {loop = 1 : i64, of = 4 : i64}}, {{.*}} part = {loop = 0 : i64, of = 96 : i64}}
// SAMPLES: } {dims = array<i64: 0, 0>} : tensor<4x96x3x8xf32>, tensor<4x3x96xf32>

// One sample has 3 x 32 x 96, and gradients of key and value are whole in its round. Turns are two levels out.
// SAMPLES-LABEL: @backward
// SAMPLES: dist.loop %[[T:.*]] in 2
// SAMPLES: dist.loop %[[I:.*]] in 4 inside (%{{.*}} = %[[T]] : index)
// SAMPLES: dist.loop {{.*}} in 3 {{.*}}carrying
// SAMPLES: colo.iota {{.*}}before = {loop = 2 : i64, turn = 2 : i64}
// SAMPLES: } {dims = array<i64: 0, 0, 0>} : tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>, tensor<4x96x3x8xf32>

// Samples alone, where rows are few.
// SAMPLES-LABEL: @whole
// SAMPLES: dist.loop {{.*}} in 2
// SAMPLES: colo.attention {{.*}} tensor<2x32x3x8xf32>
