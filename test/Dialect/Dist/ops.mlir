// RUN: colo-opt %s | colo-opt | FileCheck %s

// The local and the global form of each collective, and what prints.

// CHECK-DAG: #[[CUT:.*]] = #dist.shard<@mesh, [{"row"}, {}]>
// CHECK-DAG: #[[SUM:.*]] = #dist.shard<@mesh, [{}, {}], partial = sum{"row"}>
#cut = #dist.shard<@mesh, [{"row"}, {}]>
#other = #dist.shard<@mesh, [{"col"}, {}]>
#whole = #dist.shard<@mesh, [{}, {}]>
#sum = #dist.shard<@mesh, [{}, {}], partial = sum{"row"}>

// CHECK: dist.mesh @mesh <["row"=2, "col"=2]>
dist.mesh @mesh <["row"=2, "col"=2]>

// CHECK-LABEL: @global
func.func @global(%0: tensor<4x4xf32, #sum>) -> tensor<4x4xf32, #other> {
  // CHECK: dist.all_reduce sum %{{.*}} over @mesh ["row"] : (tensor<4x4xf32, #[[SUM]]>)
  %1 = dist.all_reduce sum %0 over @mesh ["row"] : (tensor<4x4xf32, #sum>) -> tensor<4x4xf32, #whole>
  %2 = dist.all_slice %1 dim 0 over @mesh ["row"] : tensor<4x4xf32, #whole> -> tensor<4x4xf32, #cut>
  // CHECK: dist.permute %{{.*}} from [0, 2, 1, 3] over @mesh ["row", "col"]
  %3 = dist.permute %2 from [0, 2, 1, 3] over @mesh ["row", "col"] : tensor<4x4xf32, #cut> -> tensor<4x4xf32, #other>
  return %3 : tensor<4x4xf32, #other>
}

// CHECK-LABEL: @local
func.func @local(%0: tensor<4x4xf32>) -> tensor<2x4xf32> {
  // CHECK: dist.reduce_scatter sum %{{.*}} dim 0 over @mesh ["row"] : tensor<4x4xf32> -> tensor<2x4xf32>
  %1 = dist.reduce_scatter sum %0 dim 0 over @mesh ["row"] : tensor<4x4xf32> -> tensor<2x4xf32>
  // CHECK: dist.all_to_all %{{.*}} from 0 dim 1 over @mesh ["row"] : tensor<2x4xf32> -> tensor<4x2xf32>
  %2 = dist.all_to_all %1 from 0 dim 1 over @mesh ["row"] : tensor<2x4xf32> -> tensor<4x2xf32>
  %3 = dist.all_gather %2 dim 1 over @mesh ["row"] : tensor<4x2xf32> -> tensor<4x4xf32>
  %4 = dist.all_slice %3 dim 0 over @mesh ["row"] : tensor<4x4xf32> -> tensor<2x4xf32>
  return %4 : tensor<2x4xf32>
}

// CHECK-LABEL: @globalRoot
func.func @globalRoot(%0: tensor<4x4xf32, #cut>, %1: tensor<2x4xf32, #sum>) -> tensor<4x4xf32, #cut> {
  // CHECK: dist.broadcast %{{.*}} dim 0 root 1 over @mesh ["row"] : tensor<4x4xf32, #[[CUT]]> -> tensor<2x4xf32, #{{.*}}>
  %2 = dist.broadcast %0 dim 0 root 1 over @mesh ["row"] : tensor<4x4xf32, #cut> -> tensor<2x4xf32, #whole>
  // CHECK: dist.reduce sum %{{.*}} dim 0 root 0 over @mesh ["row"] : tensor<2x4xf32, #[[SUM]]> -> tensor<4x4xf32, #[[CUT]]>
  %3 = dist.reduce sum %1 dim 0 root 0 over @mesh ["row"] : tensor<2x4xf32, #sum> -> tensor<4x4xf32, #cut>
  // CHECK: dist.reduce sum %{{.*}} into %{{.*}} dim 0 root 1 over @mesh ["row"] : tensor<2x4xf32, #[[SUM]]>, tensor<4x4xf32, #[[CUT]]>
  %4 = dist.reduce sum %1 into %3 dim 0 root 1 over @mesh ["row"] : tensor<2x4xf32, #sum>, tensor<4x4xf32, #cut> -> tensor<4x4xf32, #cut>
  return %4 : tensor<4x4xf32, #cut>
}

// CHECK-LABEL: @localRoot
func.func @localRoot(%0: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // CHECK: dist.broadcast %{{.*}} dim 0 root 1 over @mesh ["row"] : tensor<4x4xf32> -> tensor<4x4xf32>
  %1 = dist.broadcast %0 dim 0 root 1 over @mesh ["row"] : tensor<4x4xf32> -> tensor<4x4xf32>
  // CHECK: dist.reduce max %{{.*}} into %{{.*}} dim 0 root 0 over @mesh ["row"] : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  %2 = dist.reduce max %1 into %0 dim 0 root 0 over @mesh ["row"] : tensor<4x4xf32>, tensor<4x4xf32> -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}
