// RUN: colo-opt %s -split-input-file -verify-diagnostics
// RUN: not colo-opt %S/dist-expand-summa.mlir -split-input-file -dist-expand-summa=algorithm=cannon 2>&1 | FileCheck %s

// CHECK: error: unknown algorithm 'cannon'; legal are loop and reference

func.func @unknownTag(%x: tensor<4x6xf32>, %w: tensor<6x8xf32>) {
  // expected-error @+1 {{has algorithm "cannon"; legal is "summa" on a colo.einsum}}
  %0 = colo.einsum "mk,kn->mn", %x, %w {dist.algorithm = "cannon"} : tensor<4x6xf32>, tensor<6x8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @tagElsewhere(%x: tensor<4x6xf32>) {
  // expected-error @+1 {{has algorithm "summa"; legal is "summa" on a colo.einsum}}
  %0 = colo.exp %x {dist.algorithm = "summa"} : tensor<4x6xf32>
  return
}

// -----

func.func @unknownAttribute(%x: tensor<4x6xf32>) {
  // expected-error @+1 {{has an attribute that the dist dialect does not know: "dist.algoritm"}}
  %0 = colo.exp %x {dist.algoritm = "summa"} : tensor<4x6xf32>
  return
}

// -----

func.func @addsToAnotherType(%x: tensor<4x6xf32>, %w: tensor<6x8xf32>, %y: tensor<8x4xf32>) {
  // expected-error @+1 {{adds to a value of another type}}
  %0 = colo.einsum "mk,kn->mn", %x, %w into %y : tensor<4x6xf32>, tensor<6x8xf32>, tensor<8x4xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @addsToWhatIsRead(%x: tensor<4x6xf32>, %w: tensor<6x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @+1 {{adds in place to a value that something else reads}}
  %0 = colo.einsum "mk,kn->mn", %x, %w into %y : tensor<4x6xf32>, tensor<6x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
