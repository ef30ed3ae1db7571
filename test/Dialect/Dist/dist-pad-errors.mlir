// RUN: colo-opt %s --dist-pad="mode=1d size=4" -split-input-file -verify-diagnostics

func.func @sliceOfClasses(%z: tensor<2x10xf32>, %t: tensor<2xi32>) {
  %l, %c, %e = colo.cross_entropy %z, %t {classes = 10 : i64, ignore_index = -1 : i64, label_smoothing = 0.0 : f64}
    : tensor<2x10xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  // expected-error @+2 {{dim 1 of 'tensor<2x10xf32>' is a vocabulary that its shards do not divide, and cannot be padded here}}
  // expected-note @+1 {{a multiple of 4, such as 12, needs no padding}}
  %p = colo.slice %z {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : tensor<2x10xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @classesJoined(%z: tensor<2x10xf32>, %t: tensor<2xi32>) {
  %l, %c, %e = colo.cross_entropy %z, %t {classes = 10 : i64, ignore_index = -1 : i64, label_smoothing = 0.0 : f64}
    : tensor<2x10xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  // expected-error @+2 {{cannot be padded here}}
  // expected-note @+1 {{needs no padding}}
  %p = colo.concat %z, %z {dim = 1 : i64} : (tensor<2x10xf32>, tensor<2x10xf32>) -> tensor<2x20xf32>
  return
}

// -----

func.func @classesPartOfADim(%d: tensor<20x3xf32>, %t: tensor<2xi32>) {
  // expected-error @+2 {{dim 0 of 'tensor<10x6xf32>' is a vocabulary that its shards do not divide, and cannot be padded here}}
  // expected-note @+1 {{a multiple of 4, such as 12, needs no padding}}
  %table = colo.reshape %d : tensor<20x3xf32> -> tensor<10x6xf32>
  %x = colo.embedding %table, %t : tensor<10x6xf32>, tensor<2xi32> -> tensor<2x6xf32>
  return
}
