// RUN: colo-opt %s | colo-opt | FileCheck %s

dist.mesh @mesh <["sp"=4]>

// A loop with carried values, invariants and a result put together from the parts of all rounds; one inside another.
// CHECK-LABEL: @loops
func.func @loops(%x: tensor<8x2xf32>, %y: tensor<2x2xf32>) -> (tensor<2x2xf32>, tensor<8x2xf32>) {
  // CHECK: %{{.*}}:2 = dist.loop %[[I:.*]] in 4 carrying (%[[SUM:.*]] = %arg1 : tensor<2x2xf32>) reading (%[[X:.*]] = %arg0 : tensor<8x2xf32>) {
  // CHECK-NEXT: %[[PART:.*]] = dist.part %[[X]] dim 0 number 0 plus %[[I]] : tensor<8x2xf32> -> tensor<2x2xf32>
  // CHECK-NEXT: dist.loop %{{.*}} in 2 inside (%{{.*}} = %[[I]] : index) carrying (%{{.*}} = %[[SUM]] : tensor<2x2xf32>) reading (%{{.*}} = %[[PART]] : tensor<2x2xf32>) {
  // CHECK: } {dims = array<i64: 0>} : tensor<2x2xf32>, tensor<8x2xf32>
  %0:2 = dist.loop %i in 4 carrying (%sum = %y : tensor<2x2xf32>) reading (%whole = %x : tensor<8x2xf32>) {
    %1 = dist.part %whole dim 0 number 0 plus %i : tensor<8x2xf32> -> tensor<2x2xf32>
    %2 = dist.loop %j in 2 inside (%k = %i : index) carrying (%s = %sum : tensor<2x2xf32>) reading (%p = %1 : tensor<2x2xf32>) {
      %3 = colo.add %s, %p : tensor<2x2xf32>
      %4 = dist.broadcast %3 dim 0 root 1 plus %j over @mesh ["sp"] : tensor<2x2xf32> -> tensor<2x2xf32>
      dist.yield %4 : tensor<2x2xf32>
    } : tensor<2x2xf32>
    dist.yield %2, %1 : tensor<2x2xf32>, tensor<2x2xf32>
  } {dims = array<i64: 0>} : tensor<2x2xf32>, tensor<8x2xf32>
  return %0#0, %0#1 : tensor<2x2xf32>, tensor<8x2xf32>
}
