// RUN: colo-opt %s -overlap-collectives -split-input-file | FileCheck %s

// Double buffering: the parts of the next round are on their way while a round's product runs, and no more.
dist.mesh @mesh <["row"=3, "col"=3]>
// CHECK-LABEL: @rounds
// CHECK: %[[X0:.*]] = dist.broadcast %arg0 dim 1 root 0
// CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0
// CHECK: %[[X1:.*]] = dist.broadcast %arg0 dim 1 root 1
// CHECK: %[[W1:.*]] = dist.broadcast %arg1 dim 0 root 1
// CHECK-NEXT: %[[Y0:.*]] = colo.einsum "mk,kn->mn", %[[X0]], %[[W0]] :
// CHECK-NEXT: %[[X2:.*]] = dist.broadcast %arg0 dim 1 root 2
// CHECK-NEXT: %[[W2:.*]] = dist.broadcast %arg1 dim 0 root 2
// CHECK-NEXT: %[[HERE:.*]] = dist.wait %[[X1]] : (tensor<2x3xf32>) -> tensor<2x3xf32>
// CHECK-NEXT: %[[THERE:.*]] = dist.wait %[[W1]]
// CHECK-NEXT: %[[Y1:.*]] = colo.einsum "mk,kn->mn", %[[HERE]], %[[THERE]] into %[[Y0]] :
// CHECK-NEXT: dist.wait %[[X2]]
// CHECK-NEXT: dist.wait %[[W2]]
// CHECK-NEXT: colo.einsum {{.*}} into %[[Y1]] :
func.func private @rounds(%x: tensor<2x3xf32>, %w: tensor<3x4xf32>) -> tensor<2x4xf32> {
  %x0 = dist.broadcast %x dim 1 root 0 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x3xf32>
  %w0 = dist.broadcast %w dim 0 root 0 over @mesh ["row"] : tensor<3x4xf32> -> tensor<3x4xf32>
  %y0 = colo.einsum "mk,kn->mn", %x0, %w0 : tensor<2x3xf32>, tensor<3x4xf32> -> tensor<2x4xf32>
  %x1 = dist.broadcast %x dim 1 root 1 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x3xf32>
  %w1 = dist.broadcast %w dim 0 root 1 over @mesh ["row"] : tensor<3x4xf32> -> tensor<3x4xf32>
  %y1 = colo.einsum "mk,kn->mn", %x1, %w1 into %y0 : tensor<2x3xf32>, tensor<3x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %x2 = dist.broadcast %x dim 1 root 2 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x3xf32>
  %w2 = dist.broadcast %w dim 0 root 2 over @mesh ["row"] : tensor<3x4xf32> -> tensor<3x4xf32>
  %y2 = colo.einsum "mk,kn->mn", %x2, %w2 into %y1 : tensor<2x3xf32>, tensor<3x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  return %y2 : tensor<2x4xf32>
}

// -----

// A reduction runs beside the next round's product; the gradient is added after the next product.
dist.mesh @mesh <["row"=2, "col"=2]>
func.func private @add(%x: tensor<3x4xf32>) -> tensor<3x4xf32> attributes {rt.kernel} {
  return %x : tensor<3x4xf32>
}
// CHECK-LABEL: @reductions
// CHECK: %[[P0:.*]] = colo.einsum "mk,mn->kn"
// CHECK-NEXT: %[[R0:.*]] = dist.reduce sum %[[P0]] dim 0 root 0
// CHECK-NEXT: colo.slice
// CHECK-NEXT: %[[P1:.*]] = colo.einsum "mk,mn->kn"
// CHECK-NEXT: %[[HERE:.*]] = dist.wait %[[R0]]
// CHECK-NEXT: %[[R1:.*]] = dist.reduce sum %[[P1]] into %[[HERE]] dim 0 root 1
// CHECK-NEXT: colo.einsum "mn,kn->mk"
// CHECK-NEXT: %[[ALL:.*]] = dist.wait %[[R1]]
// CHECK-NEXT: %[[G:.*]] = rt.launch @add(%[[ALL]])
// CHECK-NEXT: colo.grad %[[G]]
func.func private @reductions(%x: tensor<2x6xf32>, %d: tensor<2x4xf32>, %v: tensor<3x4xf32>, %w: tensor<3x4xf32> {colo.param = "w"}) -> tensor<2x3xf32> {
  %x0 = colo.slice %x {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<2x6xf32> -> tensor<2x3xf32>
  %x1 = colo.slice %x {offsets = array<i64: 0, 3>, strides = array<i64: 1, 1>} : tensor<2x6xf32> -> tensor<2x3xf32>
  %p0 = colo.einsum "mk,mn->kn", %x0, %d : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<3x4xf32>
  %r0 = dist.reduce sum %p0 dim 0 root 0 over @mesh ["row"] : tensor<3x4xf32> -> tensor<3x4xf32>
  %p1 = colo.einsum "mk,mn->kn", %x1, %d : tensor<2x3xf32>, tensor<2x4xf32> -> tensor<3x4xf32>
  %r1 = dist.reduce sum %p1 into %r0 dim 0 root 1 over @mesh ["row"] : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %g = rt.launch @add(%r1) : (tensor<3x4xf32>) -> tensor<3x4xf32>
  colo.grad %g, %w : tensor<3x4xf32>, tensor<3x4xf32>
  %dx = colo.einsum "mn,kn->mk", %d, %v : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x3xf32>
  return %dx : tensor<2x3xf32>
}

// -----

// A ring: the next hop starts when what the last one brought is first used, through views.
dist.mesh @mesh <["sp"=3]>
// CHECK-LABEL: @ring
// CHECK: %[[H1:.*]] = dist.permute %arg0
// CHECK-NEXT: colo.einsum {{.*}} %arg1, %arg2
// CHECK-NEXT: %[[W1:.*]] = dist.wait %[[H1]]
// CHECK-NEXT: %[[K1:.*]] = colo.slice %[[W1]]
// CHECK-NEXT: %[[H2:.*]] = dist.permute %[[W1]]
// CHECK-NEXT: colo.einsum {{.*}} %arg1, %[[K1]]
// CHECK-NEXT: %[[W2:.*]] = dist.wait %[[H2]]
// CHECK-NEXT: %[[K2:.*]] = colo.slice %[[W2]]
// CHECK-NEXT: colo.einsum {{.*}} %arg1, %[[K2]]
func.func private @ring(%pair: tensor<2x4x4xf32>, %q: tensor<4x4xf32>, %k: tensor<1x4x4xf32>) -> (tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>) {
  %0 = colo.einsum "mk,bnk->bmn", %q, %k : tensor<4x4xf32>, tensor<1x4x4xf32> -> tensor<1x4x4xf32>
  %h1 = dist.permute %pair from [2, 0, 1] over @mesh ["sp"] : tensor<2x4x4xf32> -> tensor<2x4x4xf32>
  %k1 = colo.slice %h1 {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<2x4x4xf32> -> tensor<1x4x4xf32>
  %1 = colo.einsum "mk,bnk->bmn", %q, %k1 : tensor<4x4xf32>, tensor<1x4x4xf32> -> tensor<1x4x4xf32>
  %h2 = dist.permute %h1 from [2, 0, 1] over @mesh ["sp"] : tensor<2x4x4xf32> -> tensor<2x4x4xf32>
  %k2 = colo.slice %h2 {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<2x4x4xf32> -> tensor<1x4x4xf32>
  %2 = colo.einsum "mk,bnk->bmn", %q, %k2 : tensor<4x4xf32>, tensor<1x4x4xf32> -> tensor<1x4x4xf32>
  return %0, %1, %2 : tensor<1x4x4xf32>, tensor<1x4x4xf32>, tensor<1x4x4xf32>
}

// -----

// Nothing is in flight across a call, and without work in between there is nothing to wait for.
dist.mesh @mesh <["tp"=2]>
func.func private @f(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  return %x : tensor<4x4xf32>
}
// CHECK-LABEL: @calls
// CHECK-NOT: dist.wait
// CHECK: colo.call @f
// CHECK: %[[S:.*]] = dist.all_reduce
// CHECK-NEXT: %[[E:.*]] = colo.einsum
// CHECK-NEXT: dist.wait %[[S]]
// CHECK-NEXT: colo.call @f
// CHECK: return
func.func private @calls(%x: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %0 = dist.all_reduce sum %x over @mesh ["tp"] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = colo.call @f(%0) params [] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = colo.einsum "ab,bc->ac", %1, %x : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %3 = dist.all_reduce sum %1 over @mesh ["tp"] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %4 = colo.call @f(%2) params [] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2, %3, %4 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}
