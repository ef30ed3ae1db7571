// RUN: colo-opt %s -dist-expand-summa -overlap-collectives -plan-buffers -cse -rt-verify-buffers -split-input-file | FileCheck %s

// What a product of M x K by K x N needs beside operands and result on q x q ranks is two parts of what travels: 2(MK+KN)/q^2
// elements, whatever q. Here M=24, K=48, N=96.

// q = 2: (2*12*24 + 2*24*48) * 4 bytes.
dist.mesh @mesh <["row"=2, "col"=2]>
// CHECK-LABEL: func.func private @product
// CHECK-SAME: memref<11520xi8>
func.func private @product(%x: tensor<12x24xf32>, %w: tensor<24x48xf32>) -> tensor<12x48xf32> {
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<12x24xf32> -> tensor<12x48xf32>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<24x48xf32> -> tensor<48x48xf32>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<12x48xf32>, tensor<48x48xf32> -> tensor<12x48xf32>
  return %y : tensor<12x48xf32>
}
func.func @main(%x: tensor<12x24xf32>, %w: tensor<24x48xf32>) attributes {colo.role = "entry"} {
  %y = colo.call @product(%x, %w) params [] : (tensor<12x24xf32>, tensor<24x48xf32>) -> tensor<12x48xf32>
  return
}

// -----

// q = 3: (2*8*16 + 2*16*32) * 4 bytes.
dist.mesh @mesh <["row"=3, "col"=3]>
// CHECK-LABEL: func.func private @product
// CHECK-SAME: memref<5120xi8>
func.func private @product(%x: tensor<8x16xf32>, %w: tensor<16x32xf32>) -> tensor<8x32xf32> {
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<8x16xf32> -> tensor<8x48xf32>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<16x32xf32> -> tensor<48x32xf32>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<8x48xf32>, tensor<48x32xf32> -> tensor<8x32xf32>
  return %y : tensor<8x32xf32>
}
func.func @main(%x: tensor<8x16xf32>, %w: tensor<16x32xf32>) attributes {colo.role = "entry"} {
  %y = colo.call @product(%x, %w) params [] : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
  return
}

// -----

// The gradient of the input, q = 3: two parts of W, two of the result before they are reduced, and the result, which is
// copied to its destination: (2*16*32 + 2*8*16 + 8*16) * 4 bytes.
dist.mesh @mesh <["row"=3, "col"=3]>
// CHECK-LABEL: func.func private @gradient
// CHECK-SAME: memref<5632xi8>
func.func private @gradient(%dy: tensor<8x32xf32>, %w: tensor<16x32xf32>) -> tensor<8x16xf32> {
  %0 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<16x32xf32> -> tensor<48x32xf32>
  %1 = colo.einsum "mn,kn->mk", %dy, %0 {dist.algorithm = "summa"} : tensor<8x32xf32>, tensor<48x32xf32> -> tensor<8x48xf32>
  %2 = dist.reduce_scatter sum %1 dim 1 over @mesh ["col"] : tensor<8x48xf32> -> tensor<8x16xf32>
  return %2 : tensor<8x16xf32>
}
func.func @main(%dy: tensor<8x32xf32>, %w: tensor<16x32xf32>) attributes {colo.role = "entry"} {
  %y = colo.call @gradient(%dy, %w) params [] : (tensor<8x32xf32>, tensor<16x32xf32>) -> tensor<8x16xf32>
  return
}

// -----

// A loop of rounds changes the places of the parts from round to round, q = 8: (2*4*8 + 2*8*16) * 4 bytes.
dist.mesh @mesh <["row"=8, "col"=8]>
// CHECK-LABEL: func.func private @product
// CHECK-SAME: memref<1280xi8>
// CHECK: scf.for
// CHECK: %[[ODD:.*]] = arith.trunci
// CHECK: %[[NEXT:.*]] = arith.select %[[ODD]], %[[A:.*]], %[[B:.*]] : memref<4x8xf32>
// CHECK: rt.broadcast %{{.*}}, %[[NEXT]]
// CHECK: %[[NOW:.*]] = arith.select %[[ODD]], %[[B]], %[[A]] : memref<4x8xf32>
// CHECK: rt.gemm %[[NOW]]
func.func private @product(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<4x8xf32> -> tensor<4x64xf32>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<8x16xf32> -> tensor<64x16xf32>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<4x64xf32>, tensor<64x16xf32> -> tensor<4x16xf32>
  return %y : tensor<4x16xf32>
}
func.func @main(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) attributes {colo.role = "entry"} {
  %y = colo.call @product(%x, %w) params [] : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return
}
