// RUN: colo-opt %s --dist-combine-collectives | FileCheck %s

#whole = #dist.shard<@mesh, [{}]>
#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
#max = #dist.shard<@mesh, [{}], partial = max{"tp"}>

dist.mesh @mesh <["tp"=2]>

// CHECK-LABEL: @usersInBetweenMoveBehind
func.func @usersInBetweenMoveBehind(%0: tensor<8xf32, #sum>, %1: tensor<8xf32, #sum>) -> tensor<8xf32, #whole> {
  // CHECK: %[[R:.*]]:2 = dist.all_reduce sum %arg0, %arg1 over @mesh ["tp"]
  // CHECK: %[[L:.*]] = colo.log %[[R]]#0
  // CHECK: colo.sub %[[L]], %[[R]]#1
  %2 = dist.all_reduce sum %0 over @mesh ["tp"] : (tensor<8xf32, #sum>) -> tensor<8xf32, #whole>
  %3 = colo.log %2 : tensor<8xf32, #whole>
  %4 = dist.all_reduce sum %1 over @mesh ["tp"] : (tensor<8xf32, #sum>) -> tensor<8xf32, #whole>
  %5 = colo.sub %3, %4 : tensor<8xf32, #whole>
  return %5 : tensor<8xf32, #whole>
}

// CHECK-LABEL: @oneNeedsTheOther
func.func @oneNeedsTheOther(%0: tensor<8x8xf32, #dist.shard<@mesh, [{}, {"tp"}]>>, %1: tensor<8xf32, #sum>) -> tensor<8xf32, #whole> {
  // CHECK: dist.all_reduce sum
  // CHECK: dist.all_reduce sum
  %2 = dist.all_reduce sum %1 over @mesh ["tp"] : (tensor<8xf32, #sum>) -> tensor<8xf32, #whole>
  %3 = colo.broadcast %2 {dims = array<i64: 0>} : tensor<8xf32, #whole> -> tensor<8x8xf32, #dist.shard<@mesh, [{}, {"tp"}]>>
  %4 = colo.mul %0, %3 : tensor<8x8xf32, #dist.shard<@mesh, [{}, {"tp"}]>>
  %5 = colo.reduce %4 {dims = array<i64: 1>, kind = 0 : i32} : tensor<8x8xf32, #dist.shard<@mesh, [{}, {"tp"}]>> -> tensor<8xf32, #sum>
  %6 = dist.all_reduce sum %5 over @mesh ["tp"] : (tensor<8xf32, #sum>) -> tensor<8xf32, #whole>
  return %6 : tensor<8xf32, #whole>
}

// CHECK-LABEL: @kindsDiffer
func.func @kindsDiffer(%0: tensor<8xf32, #sum>, %1: tensor<8xf32, #max>) -> tensor<8xf32, #whole> {
  // CHECK: dist.all_reduce sum
  // CHECK: dist.all_reduce max
  %2 = dist.all_reduce sum %0 over @mesh ["tp"] : (tensor<8xf32, #sum>) -> tensor<8xf32, #whole>
  %3 = dist.all_reduce max %1 over @mesh ["tp"] : (tensor<8xf32, #max>) -> tensor<8xf32, #whole>
  %4 = colo.sub %2, %3 : tensor<8xf32, #whole>
  return %4 : tensor<8xf32, #whole>
}
