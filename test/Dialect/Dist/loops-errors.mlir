// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func @carriesAnotherType(%x: tensor<4xf32>) {
  // expected-error @+1 {{carries 'tensor<4xf32>', yields 'tensor<2xf32>' and gives 'tensor<4xf32>'}}
  %0 = dist.loop %i in 2 carrying (%a = %x : tensor<4xf32>) {
    %1 = dist.part %a dim 0 number 0 plus %i : tensor<4xf32> -> tensor<2xf32>
    dist.yield %1 : tensor<2xf32>
  } : tensor<4xf32>
  return
}

// -----

func.func @assemblesAnotherSize(%x: tensor<4xf32>) {
  // expected-error @+1 {{puts 'tensor<2xf32>' together to 'tensor<6xf32>'}}
  %0 = dist.loop %i in 2 reading (%a = %x : tensor<4xf32>) {
    %1 = dist.part %a dim 0 number 0 plus %i : tensor<4xf32> -> tensor<2xf32>
    dist.yield %1 : tensor<2xf32>
  } {dims = array<i64: 0>} : tensor<6xf32>
  return
}

// -----

func.func @noRound(%x: tensor<4xf32>) {
  // expected-error @+1 {{needs at least one round, not 0}}
  %0 = dist.loop %i in 0 carrying (%a = %x : tensor<4xf32>) {
    dist.yield %a : tensor<4xf32>
  } : tensor<4xf32>
  return
}

// -----

func.func @forgetsTheRoundAround(%x: tensor<4xf32>) {
  %0 = dist.loop %i in 2 carrying (%a = %x : tensor<4xf32>) {
    // expected-error @+1 {{takes the numbers of the rounds around it, innermost first}}
    %1 = dist.loop %j in 2 carrying (%b = %a : tensor<4xf32>) {
      dist.yield %b : tensor<4xf32>
    } : tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  } : tensor<4xf32>
  return
}

// -----

func.func @yieldsNothing(%x: tensor<4xf32>) {
  // expected-error @+1 {{yields one value a result}}
  %0 = dist.loop %i in 2 carrying (%a = %x : tensor<4xf32>) {
    dist.yield
  } : tensor<4xf32>
  return
}

// -----

// Roots 1 to 4 of a group of 4.
dist.mesh @mesh <["sp"=4]>
func.func @rootOutside(%x: tensor<4xf32>) {
  %0 = dist.loop %i in 4 carrying (%a = %x : tensor<4xf32>) {
    // expected-error @+1 {{has root 4 in a group of 4}}
    %1 = dist.broadcast %a dim 0 root 1 plus %i over @mesh ["sp"] : tensor<4xf32> -> tensor<4xf32>
    dist.yield %1 : tensor<4xf32>
  } : tensor<4xf32>
  return
}

// -----

dist.mesh @mesh <["sp"=4]>
func.func @anotherRound(%x: tensor<4xf32>, %n: index) {
  // expected-error @+1 {{adds to its root what is not the round of the loop around it}}
  %0 = dist.broadcast %x dim 0 root 1 plus %n over @mesh ["sp"] : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @unequalParts(%x: tensor<4xf32>, %n: index) {
  // expected-error @+1 {{has a dim that is not there, or that its result's does not divide}}
  %0 = dist.part %x dim 0 number 0 plus %n : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @noRoundArgument(%x: tensor<4xf32>) {
  // expected-error @+1 {{has a body whose arguments are not the round and its operands}}
  %0 = "dist.loop"(%x) <{count = 2 : i64, dims = array<i64>, operandSegmentSizes = array<i32: 0, 1, 0>}> ({
  ^bb0(%a: tensor<4xf32>):
    dist.yield %a : tensor<4xf32>
  }) : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @resultWithoutDim(%x: tensor<4xf32>) {
  // expected-error @+1 {{has one result a carried value and one a dim of `dims`}}
  %0:2 = dist.loop %i in 2 carrying (%a = %x : tensor<4xf32>) {
    dist.yield %a, %a : tensor<4xf32>, tensor<4xf32>
  } : tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @partOfOtherShape(%x: tensor<4x3xf32>, %n: index) {
  // expected-error @+1 {{keeps all dims but 0}}
  %0 = dist.part %x dim 0 number 0 plus %n : tensor<4x3xf32> -> tensor<2x2xf32>
  return
}
