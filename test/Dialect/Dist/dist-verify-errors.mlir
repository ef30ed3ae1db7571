// RUN: colo-opt %s --dist-verify -split-input-file -verify-diagnostics

dist.mesh @mesh <["tp"=2]>
// expected-error @+1 {{has a value without a sharding}}
func.func @unsharded(%0: tensor<4xf32>) {
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
// expected-error @+1 {{names an axis that the mesh does not have}}
func.func @unknownAxis(%0: tensor<4xf32, #dist.shard<@mesh, [{"x"}]>>) {
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
// expected-error @+1 {{cuts dim 0 of}}
func.func @unequalParts(%0: tensor<5xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  return
}

// -----

#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
dist.mesh @mesh <["tp"=2]>
func.func @partialAtNonlinear(%0: tensor<4xf32, #sum>) {
  // expected-error @+1 {{needs a complete value, not 'tensor<4xf32,}}
  %1 = colo.exp %0 : tensor<4xf32, #sum>
  return
}

// -----

#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
dist.mesh @mesh <["tp"=2]>
func.func @partialReturned(%0: tensor<4xf32, #sum>) -> tensor<4xf32, #sum> {
  // expected-error @+1 {{needs a complete value, not 'tensor<4xf32,}}
  return %0 : tensor<4xf32, #sum>
}

// -----

#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
dist.mesh @mesh <["tp"=2]>
func.func @productOfPartials(%0: tensor<4xf32, #sum>) {
  // expected-error @+1 {{adds or multiplies values that are partial in different ways}}
  %1 = colo.mul %0, %0 : tensor<4xf32, #sum>
  return
}

// -----

#cut = #dist.shard<@mesh, [{}, {"tp"}]>
dist.mesh @mesh <["tp"=2]>
func.func @forgottenReduction(%0: tensor<4x4xf32, #cut>) {
  // expected-error @+1 {{has a result that does not follow from its operands}}
  %1 = colo.reduce %0 {dims = array<i64: 1>, kind = 0 : i32} : tensor<4x4xf32, #cut> -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

#cut = #dist.shard<@mesh, [{"tp"}]>
dist.mesh @mesh <["tp"=2]>
func.func @slicedDimCut(%0: tensor<4xf32, #cut>) {
  // expected-error @+1 {{needs a whole dim that is cut over "tp"}}
  %1 = colo.slice %0 {offsets = array<i64: 0>, strides = array<i64: 1>} : tensor<4xf32, #cut> -> tensor<2xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

#cut = #dist.shard<@mesh, [{"tp"}]>
#whole = #dist.shard<@mesh, [{}]>
dist.mesh @mesh <["tp"=2]>
func.func @gradientCutOtherwise(%0: tensor<4xf32, #cut>, %w: tensor<4xf32, #whole> {colo.param = "w"}) {
  // expected-error @+1 {{has a gradient cut otherwise than its parameter}}
  colo.grad %0, %w : tensor<4xf32, #cut>, tensor<4xf32, #whole>
  return
}

// -----

#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
#whole = #dist.shard<@mesh, [{}]>
dist.mesh @mesh <["tp"=2]>
colo.param @w : tensor<4xf32, #whole> {logical_shape = array<i64: 4>, file_shape = array<i64: 4>,
  init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, reduce = []}
func.func @unrecordedReduction(%0: tensor<4xf32, #sum>) {
  %w = colo.param_ref @w : tensor<4xf32, #whole>
  // expected-error @+1 {{has a gradient partial over ["tp"], its parameter reduces over []}}
  colo.grad %0, %w : tensor<4xf32, #sum>, tensor<4xf32, #whole>
  return
}

// -----

#cut = #dist.shard<@mesh, [{"tp"}]>
#whole = #dist.shard<@mesh, [{}]>
dist.mesh @mesh <["tp"=2]>
func.func @reshardLeft(%0: tensor<4xf32, #cut>) {
  // expected-error @+1 {{must be expanded into collectives}}
  %1 = dist.reshard %0 : tensor<4xf32, #cut> -> tensor<4xf32, #whole>
  return
}

// -----

#whole = #dist.shard<@mesh, [{}, {}]>
#cut = #dist.shard<@mesh, [{"tp"}]>
dist.mesh @mesh <["tp"=4]>
func.func @mergedDimsCut(%0: tensor<2x6xf32, #whole>) {
  // expected-error @+1 {{cuts a dim across its factors: 'tensor<12xf32,}}
  %1 = colo.reshape %0 : tensor<2x6xf32, #whole> -> tensor<12xf32, #cut>
  return
}

// -----

#cut = #dist.shard<@mesh, [{"tp"}]>
#whole = #dist.shard<@mesh, [{}]>
dist.mesh @mesh <["tp"=2]>
func.func @operandsCutDifferently(%0: tensor<4xf32, #cut>, %1: tensor<4xf32, #whole>) {
  // expected-error @+1 {{has an operand that its factors do not explain: 'tensor<4xf32,}}
  %2 = "colo.add"(%0, %1) : (tensor<4xf32, #cut>, tensor<4xf32, #whole>) -> tensor<4xf32, #cut>
  return
}

// -----

#sum = #dist.shard<@mesh, [{}], partial = sum{"tp"}>
#whole = #dist.shard<@mesh, [{}]>
dist.mesh @mesh <["tp"=2]>
func.func @sumOfPartialAndComplete(%0: tensor<4xf32, #sum>, %1: tensor<4xf32, #whole>) {
  // expected-error @+1 {{mixes a partial with a complete value}}
  %2 = "colo.add"(%0, %1) : (tensor<4xf32, #sum>, tensor<4xf32, #whole>) -> tensor<4xf32, #sum>
  return
}
