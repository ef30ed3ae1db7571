// RUN: colo-opt %s --dist-reshard-to-collectives | FileCheck %s

#whole = #dist.shard<@mesh, [{}, {}]>
#rows = #dist.shard<@mesh, [{"a"}, {}]>
#columns = #dist.shard<@mesh, [{}, {"a"}]>
#rowsOfB = #dist.shard<@mesh, [{"b"}, {}]>
#both = #dist.shard<@mesh, [{"a","b"}, {}]>
#swapped = #dist.shard<@mesh, [{"b","a"}, {}]>
#sum = #dist.shard<@mesh, [{}, {}], partial = sum{"a"}>
#sumOfBoth = #dist.shard<@mesh, [{}, {}], partial = sum{"a","b"}>

dist.mesh @mesh <["a"=2, "b"=2]>

// CHECK-LABEL: @partialToCut
func.func @partialToCut(%0: tensor<8x8xf32, #sum>) -> tensor<8x8xf32, #rows> {
  // CHECK: %[[R:.*]] = dist.reduce_scatter sum %{{.*}} dim 0 over @mesh ["a"]
  // CHECK-NEXT: return %[[R]]
  %1 = dist.reshard %0 : tensor<8x8xf32, #sum> -> tensor<8x8xf32, #rows>
  return %1 : tensor<8x8xf32, #rows>
}

// CHECK-LABEL: @severalAxesInOneMessage
func.func @severalAxesInOneMessage(%0: tensor<8x8xf32, #sumOfBoth>) -> tensor<8x8xf32, #whole> {
  // CHECK: dist.all_reduce sum %{{.*}} over @mesh ["a", "b"]
  // CHECK-NEXT: return
  %1 = dist.reshard %0 : tensor<8x8xf32, #sumOfBoth> -> tensor<8x8xf32, #whole>
  return %1 : tensor<8x8xf32, #whole>
}

// CHECK-LABEL: @otherDim
func.func @otherDim(%0: tensor<8x8xf32, #rows>) -> tensor<8x8xf32, #columns> {
  // CHECK: dist.all_to_all %{{.*}} from 0 dim 1 over @mesh ["a"]
  // CHECK-NEXT: return
  %1 = dist.reshard %0 : tensor<8x8xf32, #rows> -> tensor<8x8xf32, #columns>
  return %1 : tensor<8x8xf32, #columns>
}

// CHECK-LABEL: @otherOrder
func.func @otherOrder(%0: tensor<8x8xf32, #both>) -> tensor<8x8xf32, #swapped> {
  // CHECK: dist.permute %{{.*}} from [0, 2, 1, 3] over @mesh ["a", "b"]
  // CHECK-NEXT: return
  %1 = dist.reshard %0 : tensor<8x8xf32, #both> -> tensor<8x8xf32, #swapped>
  return %1 : tensor<8x8xf32, #swapped>
}

// CHECK-LABEL: @sliceIsFree
func.func @sliceIsFree(%0: tensor<8x8xf32, #whole>) -> tensor<8x8xf32, #both> {
  // CHECK: dist.all_slice %{{.*}} dim 0 over @mesh ["a", "b"]
  // CHECK-NEXT: return
  %1 = dist.reshard %0 : tensor<8x8xf32, #whole> -> tensor<8x8xf32, #both>
  return %1 : tensor<8x8xf32, #both>
}

// CHECK-LABEL: @nothingToDo
func.func @nothingToDo(%0: tensor<8x8xf32, #rows>) -> tensor<8x8xf32, #rows> {
  // CHECK-NEXT: return %arg0
  %1 = dist.reshard %0 : tensor<8x8xf32, #rows> -> tensor<8x8xf32, #rows>
  return %1 : tensor<8x8xf32, #rows>
}
