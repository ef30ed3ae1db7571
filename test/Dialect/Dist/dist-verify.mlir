// RUN: colo-opt %s --dist-verify | FileCheck %s

#whole = #dist.shard<@mesh, [{}, {}]>
#columns = #dist.shard<@mesh, [{}, {"tp"}]>
#sum = #dist.shard<@mesh, [{}, {}], partial = sum{"tp"}>

dist.mesh @mesh <["tp"=2]>

// Sums of values that are partial alike stay partial.
// CHECK-LABEL: @partialsAlike
func.func @partialsAlike(%x: tensor<4x8xf32, #columns>, %w: tensor<8x8xf32, #columns>) -> tensor<4x8xf32, #whole> {
  %0 = colo.einsum "bk,ok->bo", %x, %w : tensor<4x8xf32, #columns>, tensor<8x8xf32, #columns> -> tensor<4x8xf32, #sum>
  %1 = colo.add %0, %0 : tensor<4x8xf32, #sum>
  %2 = dist.all_reduce sum %1 over @mesh ["tp"] : (tensor<4x8xf32, #sum>) -> tensor<4x8xf32, #whole>
  return %2 : tensor<4x8xf32, #whole>
}
