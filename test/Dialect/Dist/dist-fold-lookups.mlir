// RUN: colo-opt %s --dist-fold-lookups | FileCheck %s

// CHECK-LABEL: @everyRowInOrder
func.func @everyRowInOrder(%table: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK: return %arg0
  %0 = colo.iota {dim = 0 : i64} : tensor<8xi32>
  %1 = colo.embedding %table, %0 : tensor<8x4xf32>, tensor<8xi32> -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}

// CHECK-LABEL: @gradientOfEveryRow
func.func @gradientOfEveryRow(%gradient: tensor<8x4xf32>) -> tensor<8x4xf32> {
  // CHECK: return %arg0
  %0 = colo.iota {dim = 0 : i64} : tensor<8xi32>
  %1 = colo.embedding_grad %gradient, %0 : tensor<8x4xf32>, tensor<8xi32> -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}

// CHECK-LABEL: @someRows
func.func @someRows(%table: tensor<8x4xf32>) -> tensor<6x4xf32> {
  // CHECK: colo.embedding
  %0 = colo.iota {dim = 0 : i64} : tensor<6xi32>
  %1 = colo.embedding %table, %0 : tensor<8x4xf32>, tensor<6xi32> -> tensor<6x4xf32>
  return %1 : tensor<6x4xf32>
}
