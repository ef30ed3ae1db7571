// RUN: colo-opt %s --dist-localize | FileCheck %s

// Of four blocks member 0 holds 0 and 3, member 1 holds 1 and 2.
#cut = #dist.shard<@mesh, [{}, {"sp"}]>
#rows = #dist.shard<@mesh, [{"sp"}, {}]>
#whole = #dist.shard<@mesh, [{}, {}]>
#sum = #dist.shard<@mesh, [{}, {}], partial = sum{"sp"}>

// CHECK: dist.mesh @mesh <["sp"=2]> {zigzag = ["sp"]}
dist.mesh @mesh <["sp"=2]> {zigzag = ["sp"]}

// CHECK-LABEL: @positions
func.func @positions(%0: tensor<4x8xf32, #cut>) -> tensor<4x8xf32, #cut> {
  // CHECK: colo.dropout %arg0 {{.*}}{axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>, global = 8 : i64, padded = 8 : i64}
  %1 = colo.dropout %0 {rate = 0.5 : f64, id = 3 : i64} : tensor<4x8xf32, #cut>
  return %1 : tensor<4x8xf32, #cut>
}

// Two views of the whole.
// CHECK-LABEL: @keep
// CHECK: %[[A:.*]] = dist.all_slice %arg0 dim 1 over @mesh ["sp"] {blocks = array<i64: 0, 1>} : tensor<4x8xf32> -> tensor<4x2xf32>
// CHECK: %[[B:.*]] = dist.all_slice %arg0 dim 1 over @mesh ["sp"] {blocks = array<i64: 3, 2>} : tensor<4x8xf32> -> tensor<4x2xf32>
// CHECK: %[[BOTH:.*]] = colo.concat %[[A]], %[[B]] {dim = 1 : i64}
// CHECK: return %[[BOTH]]
func.func @keep(%0: tensor<4x8xf32, #whole>) -> tensor<4x8xf32, #cut> {
  %1 = dist.all_slice %0 dim 1 over @mesh ["sp"] : tensor<4x8xf32, #whole> -> tensor<4x8xf32, #cut>
  return %1 : tensor<4x8xf32, #cut>
}

// Members arrive as 0 3 1 2.
// CHECK-LABEL: @gather
// CHECK: %[[ALL:.*]] = dist.all_gather %arg0
// CHECK-DAG: %[[FIRST:.*]] = colo.slice %[[ALL]] {offsets = array<i64: 0, 0>, {{.*}} -> tensor<4x2xf32>
// CHECK-DAG: %[[MIDDLE:.*]] = colo.slice %[[ALL]] {offsets = array<i64: 0, 4>, {{.*}} -> tensor<4x4xf32>
// CHECK-DAG: %[[LAST:.*]] = colo.slice %[[ALL]] {offsets = array<i64: 0, 2>, {{.*}} -> tensor<4x2xf32>
// CHECK: %[[ORDERED:.*]] = colo.concat %[[FIRST]], %[[MIDDLE]], %[[LAST]]
// CHECK: return %[[ORDERED]]
func.func @gather(%0: tensor<4x8xf32, #cut>) -> tensor<4x8xf32, #whole> {
  %1 = dist.all_gather %0 dim 1 over @mesh ["sp"] : tensor<4x8xf32, #cut> -> tensor<4x8xf32, #whole>
  return %1 : tensor<4x8xf32, #whole>
}

// CHECK-LABEL: @scatter
// CHECK: %[[ORDERED:.*]] = colo.concat {{.*}} : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x4xf32>)
// CHECK: dist.reduce_scatter sum %[[ORDERED]]
func.func @scatter(%0: tensor<4x8xf32, #sum>) -> tensor<4x8xf32, #cut> {
  %1 = dist.reduce_scatter sum %0 dim 1 over @mesh ["sp"] : tensor<4x8xf32, #sum> -> tensor<4x8xf32, #cut>
  return %1 : tensor<4x8xf32, #cut>
}

// Ordered before along the dim that is cut, after along the one that is joined.
// CHECK-LABEL: @exchange
// CHECK: %[[ROWS:.*]] = colo.concat {{.*}} {dim = 0 : i64}
// CHECK: %[[MOVED:.*]] = dist.all_to_all %[[ROWS]] from 1 dim 0
// CHECK: colo.slice %[[MOVED]]
// CHECK: %[[COLUMNS:.*]] = colo.concat {{.*}} {dim = 1 : i64}
// CHECK: return %[[COLUMNS]]
func.func @exchange(%0: tensor<4x8xf32, #cut>) -> tensor<4x8xf32, #rows> {
  %1 = dist.all_to_all %0 from 1 dim 0 over @mesh ["sp"] : tensor<4x8xf32, #cut> -> tensor<4x8xf32, #rows>
  return %1 : tensor<4x8xf32, #rows>
}
