// RUN: colo-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{axis "a" occurs twice}}
dist.mesh @mesh <["a"=2, "a"=2]>

// -----

// expected-error @+1 {{axis "a" needs a size of at least 1, not 0}}
dist.mesh @mesh <["a"=0]>

// -----

// expected-error @+1 {{axis "tp" occurs twice}}
func.func @axisTwice(%0: tensor<4x4xf32, #dist.shard<@mesh, [{"tp"}, {"tp"}]>>)

// -----

// expected-error @+1 {{sharding of 1 dims on a tensor of rank 2}}
func.func @wrongRank(%0: tensor<4x4xf32, #dist.shard<@mesh, [{"tp"}]>>)

// -----

// expected-error @+1 {{partial values are of kind sum or max, not 'mean'}}
func.func @unknownKind(%0: tensor<4xf32, #dist.shard<@mesh, [{}], partial = mean{"tp"}>>)

// -----

func.func @noMesh(%0: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{names no mesh: @mesh}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32> -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @unknownAxis(%0: tensor<4xf32>) -> tensor<8xf32> {
  // expected-error @+1 {{names axis "dp", which @mesh does not have}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["dp"] : tensor<4xf32> -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @wrongLocalShape(%0: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{gives 'tensor<8xf32>', not 'tensor<4xf32>'}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

dist.mesh @mesh <["tp"=4]>
func.func @groupDoesNotDivide(%0: tensor<6xf32>) -> tensor<1xf32> {
  // expected-error @+1 {{has a dim that is not there, or not a multiple of its group's 4 members}}
  %1 = dist.all_slice %0 dim 0 over @mesh ["tp"] : tensor<6xf32> -> tensor<1xf32>
  return %1 : tensor<1xf32>
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @gatherOfWhole(%0: tensor<4xf32, #dist.shard<@mesh, [{}]>>) {
  // expected-error @+1 {{does not apply to}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32, #dist.shard<@mesh, [{}]>> -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]>
func.func @gatherOfMajorAxis(%0: tensor<4xf32, #dist.shard<@mesh, [{"a","b"}]>>) {
  // expected-error @+1 {{does not apply to}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["a"] : tensor<4xf32, #dist.shard<@mesh, [{"a","b"}]>> -> tensor<4xf32, #dist.shard<@mesh, [{"b"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @sumOfMaxima(%0: tensor<4xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>>) {
  // expected-error @+1 {{reduces by another kind than its operand is partial of}}
  %1 = dist.all_reduce sum %0 over @mesh ["tp"] : (tensor<4xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>>) -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]>
func.func @wrongSources(%0: tensor<4xf32, #dist.shard<@mesh, [{"a"}]>>) {
  // expected-error @+1 {{does not bring every member the part that the result's sharding says}}
  %1 = dist.permute %0 from [0, 1, 2, 3] over @mesh ["a", "b"] : tensor<4xf32, #dist.shard<@mesh, [{"a"}]>> -> tensor<4xf32, #dist.shard<@mesh, [{"b"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=3]>
func.func @unequalParts(%0: tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  // expected-error @+1 {{cuts a dim into parts of unequal size}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>> -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @rootOutside(%0: tensor<4xf32>) {
  // expected-error @+1 {{has root 2 in a group of 2}}
  %r = dist.broadcast %0 dim 0 root 2 over @mesh ["tp"] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @rootDim(%0: tensor<4xf32>) {
  // expected-error @+1 {{has no dim 1 in}}
  %r = dist.reduce sum %0 dim 1 root 0 over @mesh ["tp"] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @localBroadcast(%0: tensor<4xf32>) {
  // expected-error @+1 {{gives 'tensor<4xf32>' from 'tensor<2xf32>'}}
  %r = dist.broadcast %0 dim 0 root 0 over @mesh ["tp"] : tensor<4xf32> -> tensor<2xf32>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]>
func.func @broadcastOfMinorAxis(%0: tensor<4xf32, #dist.shard<@mesh, [{"a","b"}]>>) {
  // expected-error @+1 {{cut over its axes alone}}
  %r = dist.broadcast %0 dim 0 root 0 over @mesh ["b"] : tensor<4xf32, #dist.shard<@mesh, [{"a","b"}]>> -> tensor<2xf32, #dist.shard<@mesh, [{"a"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @broadcastOfWrongPart(%0: tensor<8xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  // expected-error @+1 {{for a part of dim 0 of}}
  %r = dist.broadcast %0 dim 0 root 0 over @mesh ["tp"] : tensor<8xf32, #dist.shard<@mesh, [{"tp"}]>> -> tensor<2xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]>
func.func @broadcastDropsSum(%0: tensor<4xf32, #dist.shard<@mesh, [{"a"}], partial = sum{"b"}>>) {
  // expected-error @+1 {{keeps what its operand is partial over}}
  %r = dist.broadcast %0 dim 0 root 0 over @mesh ["a"] : tensor<4xf32, #dist.shard<@mesh, [{"a"}], partial = sum{"b"}>> -> tensor<2xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reduceOfComplete(%0: tensor<2xf32, #dist.shard<@mesh, [{}]>>) {
  // expected-error @+1 {{needs an operand that is partial of its kind over its axes}}
  %r = dist.reduce sum %0 dim 0 root 0 over @mesh ["tp"] : tensor<2xf32, #dist.shard<@mesh, [{}]>> -> tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reduceOfMaxima(%0: tensor<2xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>>) {
  // expected-error @+1 {{needs an operand that is partial of its kind over its axes}}
  %r = dist.reduce sum %0 dim 0 root 0 over @mesh ["tp"] : tensor<2xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>> -> tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]>
func.func @reduceDropsSum(%0: tensor<2xf32, #dist.shard<@mesh, [{}], partial = sum{"a","b"}>>) {
  // expected-error @+1 {{keeps what its operand is partial over beside its axes}}
  %r = dist.reduce sum %0 dim 0 root 0 over @mesh ["a"] : tensor<2xf32, #dist.shard<@mesh, [{}], partial = sum{"a","b"}>> -> tensor<4xf32, #dist.shard<@mesh, [{"a"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reduceIntoOther(%0: tensor<4xf32>, %1: tensor<2xf32>) {
  // expected-error @+1 {{gives 'tensor<4xf32>' into 'tensor<2xf32>'}}
  %r = dist.reduce sum %0 into %1 dim 0 root 0 over @mesh ["tp"] : tensor<4xf32>, tensor<2xf32> -> tensor<4xf32>
  return
}

// -----

func.func @waitForNothing(%0: tensor<4xf32>) {
  // expected-error @+1 {{needs the results of a collective}}
  %1 = dist.wait %0 : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @waitForSome(%0: tensor<4xf32>) {
  %1:2 = dist.all_reduce sum %0, %0 over @mesh ["tp"] : (tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  // expected-error @+1 {{needs all results of one collective, and gives them}}
  %2 = dist.wait %1#0 : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @readInFlight(%0: tensor<4xf32>) -> tensor<4xf32> {
  %1 = dist.all_reduce sum %0 over @mesh ["tp"] : (tensor<4xf32>) -> tensor<4xf32>
  // expected-note @+1 {{it is read here}}
  %2 = colo.exp %1 : tensor<4xf32>
  // expected-error @+1 {{is not the only one that reads what is in flight}}
  %3 = dist.wait %1 : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// expected-error @+1 {{needs one size an axis}}
"dist.mesh"() <{sym_name = "mesh", axes = ["a", "b"], sizes = array<i64: 2>}> : () -> ()

// -----

// expected-error @+1 {{names axis "sp", which it does not have, as zigzag}}
dist.mesh @mesh <["tp"=2]> {zigzag = ["sp"]}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @noAxis(%0: tensor<4xf32>) {
  // expected-error @+1 {{needs an axis}}
  %1 = dist.all_gather %0 dim 0 over @mesh [] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @unknownAxisOfSharding(%0: tensor<4xf32, #dist.shard<@mesh, [{"x"}]>>) {
  // expected-error @+1 {{has a sharding with an axis that the mesh does not have}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32, #dist.shard<@mesh, [{"x"}]>> -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @globalShape(%0: tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  // expected-error @+1 {{in global form keeps the shape}}
  %1 = dist.all_gather %0 dim 0 over @mesh ["tp"] : tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>> -> tensor<8xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @blocksOfOtherShape(%0: tensor<4x3xf32>) {
  // expected-error @+1 {{keeps all dims but 0}}
  %1 = dist.all_slice %0 dim 0 over @mesh ["tp"] {blocks = array<i64: 0, 1>} : tensor<4x3xf32> -> tensor<1x2xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @tooFewBlocks(%0: tensor<4xf32>) {
  // expected-error @+1 {{names 1 blocks for a group of 2}}
  %1 = dist.all_slice %0 dim 0 over @mesh ["tp"] {blocks = array<i64: 0>} : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @blockOutside(%0: tensor<4xf32>) {
  // expected-error @+1 {{names block 4 of 4}}
  %1 = dist.all_slice %0 dim 0 over @mesh ["tp"] {blocks = array<i64: 0, 4>} : tensor<4xf32> -> tensor<1xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reducesNothing(%0: tensor<4xf32>) {
  // expected-error @+1 {{needs one result an operand, and at least one}}
  dist.all_reduce sum over @mesh ["tp"] : () -> ()
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @oneDim(%0: tensor<4x4xf32>) {
  // expected-error @+1 {{needs two dims}}
  %1 = dist.all_to_all %0 from 0 dim 0 over @mesh ["tp"] : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @tooFewSources(%0: tensor<4xf32>) {
  // expected-error @+1 {{names 1 sources for a group of 2}}
  %1 = dist.permute %0 from [0] over @mesh ["tp"] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @oneSourceTwice(%0: tensor<4xf32>) {
  // expected-error @+1 {{needs each member of the group once as a source}}
  %1 = dist.permute %0 from [0, 0] over @mesh ["tp"] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["a"=2, "b"=2]> {zigzag = ["a"]}
func.func @zigzagPermute(%0: tensor<8xf32, #dist.shard<@mesh, [{"a"}]>>) {
  // expected-error @+1 {{cannot give the parts of a zigzag axis to another}}
  %1 = dist.permute %0 from [0, 2, 1, 3] over @mesh ["a", "b"] : tensor<8xf32, #dist.shard<@mesh, [{"a"}]>> -> tensor<8xf32, #dist.shard<@mesh, [{"b"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @rootUnknownAxis(%0: tensor<4xf32, #dist.shard<@mesh, [{"x"}]>>) {
  // expected-error @+1 {{has a sharding with an axis that the mesh does not have}}
  %1 = dist.broadcast %0 dim 0 root 0 over @mesh ["tp"] : tensor<4xf32, #dist.shard<@mesh, [{"x"}]>> -> tensor<2xf32, #dist.shard<@mesh, [{}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reduceOfOtherKind(%0: tensor<2xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>>) {
  // expected-error @+1 {{needs an operand that is partial of its kind over its axes, not}}
  %1 = dist.reduce sum %0 dim 0 root 0 over @mesh ["tp"] : tensor<2xf32, #dist.shard<@mesh, [{}], partial = max{"tp"}>> -> tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>
  return
}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @reshardOfOtherShape(%0: tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>) {
  // expected-error @+1 {{keeps shape and element type}}
  %1 = dist.reshard %0 : tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>> -> tensor<8xf32, #dist.shard<@mesh, [{}]>>
  return
}
