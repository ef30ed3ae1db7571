// RUN: colo-opt %s --dist-reshard-to-collectives -split-input-file -verify-diagnostics

dist.mesh @mesh <["a"=2]>
func.func @completeToPartial(%0: tensor<8xf32, #dist.shard<@mesh, [{}]>>) {
  // expected-error @+1 {{has no sequence of collectives}}
  %1 = dist.reshard %0 : tensor<8xf32, #dist.shard<@mesh, [{}]>> -> tensor<8xf32, #dist.shard<@mesh, [{}], partial = sum{"a"}>>
  return
}

// -----

dist.mesh @mesh <["a"=2]>
func.func @indivisible(%0: tensor<7xf32, #dist.shard<@mesh, [{}]>>) {
  // expected-error @+1 {{has no sequence of collectives}}
  %1 = dist.reshard %0 : tensor<7xf32, #dist.shard<@mesh, [{}]>> -> tensor<7xf32, #dist.shard<@mesh, [{"a"}]>>
  return
}

// -----

dist.mesh @mesh <["a"=2]>
func.func @unknownAxis(%0: tensor<8xf32, #dist.shard<@mesh, [{"x"}]>>) {
  // expected-error @+1 {{names an axis that the mesh does not have}}
  %1 = dist.reshard %0 : tensor<8xf32, #dist.shard<@mesh, [{"x"}]>> -> tensor<8xf32, #dist.shard<@mesh, [{}]>>
  return
}
