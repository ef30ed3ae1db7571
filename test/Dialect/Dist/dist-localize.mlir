// RUN: colo-opt %s --dist-localize | FileCheck %s

#rows = #dist.shard<@mesh, [{"tp"}, {}]>
#columns = #dist.shard<@mesh, [{}, {"tp"}]>
#whole = #dist.shard<@mesh, [{}, {}]>

dist.mesh @mesh <["tp"=2]>

// CHECK: colo.param @w : tensor<4x8xf32>
// CHECK-SAME: sharding = {{\[\[}}"tp"], []]
colo.param @w : tensor<8x8xf32, #rows> {logical_shape = array<i64: 7, 8>, file_shape = array<i64: 7, 8>,
  init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}

// CHECK-LABEL: func.func @shapes(%arg0: tensor<4x8xf32>) -> tensor<8x8xf32>
func.func @shapes(%0: tensor<8x8xf32, #rows>) -> tensor<8x8xf32, #whole> {
  // CHECK: dist.all_gather %arg0 dim 0 over @mesh ["tp"] : tensor<4x8xf32> -> tensor<8x8xf32>
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<8x8xf32, #rows> -> tensor<8x8xf32, #whole>
  return %1 : tensor<8x8xf32, #whole>
}

// CHECK-LABEL: @positions
func.func @positions(%0: tensor<8x8xf32, #columns>) -> tensor<8x8xf32, #columns> {
  // CHECK: colo.dropout %arg0 {id = 3 : i64, positions = [{axes = [], global = 8 : i64, padded = 8 : i64}, {axes = ["tp"], global = 8 : i64, padded = 8 : i64}]
  // CHECK-SAME: tensor<8x4xf32>
  %1 = colo.dropout %0 {rate = 0.5 : f64, id = 3 : i64} : tensor<8x8xf32, #columns>
  return %1 : tensor<8x8xf32, #columns>
}

// CHECK-LABEL: @trueSizeOfAPaddedDim
func.func @trueSizeOfAPaddedDim(%0: tensor<8x8xf32, #rows>, %1: tensor<3xi32, #dist.shard<@mesh, [{}]>>) {
  // CHECK: global = 7 : i64, padded = 8 : i64
  %2 = colo.embedding %0, %1 {positions = [{axes = [], global = 7 : i64, padded = 8 : i64}, {axes = [], global = 8 : i64, padded = 8 : i64}]}
    : tensor<8x8xf32, #rows>, tensor<3xi32, #dist.shard<@mesh, [{}]>> -> tensor<3x8xf32, #dist.shard<@mesh, [{}, {}], partial = sum{"tp"}>>
  return
}

// CHECK-LABEL: @wholeHasNoPositions
func.func @wholeHasNoPositions(%0: tensor<8x8xf32, #whole>) {
  // CHECK-NOT: positions
  %1 = colo.dropout %0 {rate = 0.5 : f64, id = 3 : i64} : tensor<8x8xf32, #whole>
  return
}
