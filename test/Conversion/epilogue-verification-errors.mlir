// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func @biasOfOtherDims(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %b: tensor<8xf32>) -> tensor<8x6xf32> {
  // expected-error @+1 {{has a bias of 'tensor<8xf32>', which is not of the last dims of 'tensor<8x6xf32>'}}
  %y = colo.einsum "bi,oi->bo", %x, %w bias %b : tensor<8x4xf32>, tensor<6x4xf32> bias tensor<8xf32> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @biasOfAnotherType(%x: tensor<8x4xbf16>, %w: tensor<6x4xbf16>, %b: tensor<6xbf16>) -> tensor<8x6xf32> {
  // expected-error @+1 {{has a bias of 'tensor<6xbf16>', which is not of the last dims of 'tensor<8x6xf32>'}}
  %y = colo.einsum "bi,oi->bo", %x, %w bias %b : tensor<8x4xbf16>, tensor<6x4xbf16> bias tensor<6xbf16> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @addendOfAnotherShape(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %r: tensor<6xf32>) -> tensor<8x6xf32> {
  // expected-error @+1 {{adds a value of another type: 'tensor<6xf32>' and 'tensor<8x6xf32>'}}
  %y = colo.einsum "bi,oi->bo", %x, %w plus %r : tensor<8x4xf32>, tensor<6x4xf32> plus tensor<6xf32> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @addsTwice(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %r: tensor<8x6xf32>, %s: tensor<8x6xf32>) -> tensor<8x6xf32> {
  // expected-error @+1 {{adds both in place and a value that stays}}
  %y = colo.einsum "bi,oi->bo", %x, %w into %s plus %r : tensor<8x4xf32>, tensor<6x4xf32>, tensor<8x6xf32> plus tensor<8x6xf32> -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @sumsOfABatch(%x: tensor<2x8x4xf32>, %y: tensor<2x8x6xf32>) -> tensor<2x4x6xf32> {
  // expected-error @+1 {{sums an operand with a batch dim, 'a'}}
  %z, %s = colo.einsum "abi,abo->aio", %x, %y {summed = 0 : i64} : tensor<2x8x4xf32>, tensor<2x8x6xf32> -> tensor<2x4x6xf32>, tensor<2x4xf32>
  return %z : tensor<2x4x6xf32>
}

// -----

func.func @sumsInAnotherOrder(%x: tensor<8x4x3xf32>, %y: tensor<8x6xf32>) -> tensor<3x4x6xf32> {
  // expected-error @+1 {{sums to dims in another order than the result's}}
  %z, %s = colo.einsum "bij,bo->jio", %x, %y {summed = 0 : i64} : tensor<8x4x3xf32>, tensor<8x6xf32> -> tensor<3x4x6xf32>, tensor<4x3xf32>
  return %z : tensor<3x4x6xf32>
}

// -----

func.func @sumsOfAnotherShape(%x: tensor<8x4xf32>, %y: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{sums to 'tensor<6xf32>', not 'tensor<4xf32>'}}
  %z, %s = colo.einsum "bi,bo->io", %x, %y {summed = 1 : i64} : tensor<8x4xf32>, tensor<8x6xf32> -> tensor<4x6xf32>, tensor<4xf32>
  return %z : tensor<4x6xf32>
}

// -----

func.func @sumsOfNoOperand(%x: tensor<8x4xf32>, %y: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{needs `summed` and a second result together}}
  %z = colo.einsum "bi,bo->io", %x, %y {summed = 1 : i64} : tensor<8x4xf32>, tensor<8x6xf32> -> tensor<4x6xf32>
  return %z : tensor<4x6xf32>
}

// -----

func.func @biasWithGaps(%x: memref<8x4xf32>, %y: memref<8x8xf32>, %b: memref<8xf32, strided<[2]>>) {
  // expected-error @+1 {{needs a bias of 8 contiguous elements of 'f32', not 'memref<8xf32, strided<[2]>>'}}
  rt.gemm %x, %x, %y bias %b {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<8x4xf32>, memref<8x8xf32> bias memref<8xf32, strided<[2]>>
  return
}

// -----

func.func @addendThatLiesOtherwise(%x: memref<8x4xf32>, %y: memref<8x8xf32>, %r: memref<8x8xf32, strided<[1, 8]>>) {
  // expected-error @+1 {{needs an addend that lies as the result 'memref<8x8xf32>', not 'memref<8x8xf32, strided<[1, 8]>>'}}
  rt.gemm %x, %x, %y plus %r {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<8x4xf32>, memref<8x8xf32> plus memref<8x8xf32, strided<[1, 8]>>
  return
}

// -----

func.func @addendBesidesAccumulation(%x: memref<8x4xf32>, %y: memref<8x8xf32>, %r: memref<8x8xf32>) {
  // expected-error @+1 {{adds both to the result's memory and another value}}
  rt.gemm %x, %x, %y plus %r {accumulate, sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<8x4xf32>, memref<8x8xf32> plus memref<8x8xf32>
  return
}

// -----

func.func @sumsAndABias(%x: memref<8x4xf32>, %y: memref<8x8xf32>, %b: memref<8xf32>) {
  // expected-error @+1 {{needs `sums` and `summed`, 0 or 1, together, and neither a bias nor a batch}}
  rt.gemm %x, %x, %y bias %b sums %b {summed = 1 : i64, sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<8x4xf32>, memref<8x8xf32> bias memref<8xf32> sums memref<8xf32>
  return
}

// -----

func.func @sumsOfAnotherLength(%x: memref<8x4xf32>, %z: memref<4x8xf32>, %y: memref<8x8xf32>, %b: memref<6xf32>) {
  // expected-error @+1 {{needs sums of 8 contiguous elements of 'f32', not 'memref<6xf32>'}}
  rt.gemm %x, %z, %y sums %b {summed = 1 : i64, sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 8, 1>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<4x8xf32>, memref<8x8xf32> sums memref<6xf32>
  return
}

// -----

func.func @sumsAlongAnotherDim(%x: memref<8x4xf32>, %y: memref<8x8xf32>, %b: memref<8xf32>) {
  // expected-error @+1 {{sums operand 1, which is not contiguous along the sums}}
  rt.gemm %x, %x, %y sums %b {summed = 1 : i64, sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xf32>, memref<8x4xf32>, memref<8x8xf32> sums memref<8xf32>
  return
}

// -----

func.func @activationThatIsNone(%x: tensor<8x4xbf16>, %w: tensor<8x4xbf16>, %z: tensor<8x8xbf16>) -> tensor<8x8xbf16> {
  // expected-error @+1 {{has 'bias', which is no activation; legal are gelu_grad, gelu, relu}}
  %y = colo.einsum "bi,oi->bo", %x, %w aux %z as bias : tensor<8x4xbf16>, tensor<8x4xbf16> aux tensor<8x8xbf16> -> tensor<8x8xbf16>
  return %y : tensor<8x8xbf16>
}

// -----

func.func @auxThatNothingReads(%x: tensor<8x4xbf16>, %w: tensor<8x4xbf16>, %z: tensor<8x8xbf16>) -> tensor<8x8xbf16> {
  // expected-error @+1 {{needs `aux` of 'tensor<8x8xbf16>' together with an activation that reads it}}
  %y = colo.einsum "bi,oi->bo", %x, %w aux %z as relu : tensor<8x4xbf16>, tensor<8x4xbf16> aux tensor<8x8xbf16> -> tensor<8x8xbf16>
  return %y : tensor<8x8xbf16>
}

// -----

func.func @argumentOfRelu(%x: tensor<8x4xbf16>, %w: tensor<8x4xbf16>) -> tensor<8x8xbf16> {
  // expected-error @+1 {{gives an argument, which needs an activation that keeps it, of 'tensor<8x8xbf16>'}}
  %y, %z = colo.einsum "bi,oi->bo", %x, %w as relu : tensor<8x4xbf16>, tensor<8x4xbf16> -> tensor<8x8xbf16> argument tensor<8x8xbf16>
  return %z : tensor<8x8xbf16>
}

// -----

func.func @activationBesidesSums(%x: tensor<8x4xf32>, %y: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error @+1 {{has an activation beside another epilogue}}
  %z, %s = colo.einsum "bi,bo->io", %x, %y as relu {summed = 0 : i64} : tensor<8x4xf32>, tensor<8x6xf32> -> tensor<4x6xf32>, tensor<4xf32>
  return %z : tensor<4x6xf32>
}

// -----

func.func @activationBesidesABias(%x: tensor<8x4xbf16>, %w: tensor<8x4xbf16>, %z: tensor<8x8xbf16>, %b: tensor<8xbf16>) -> tensor<8x8xbf16> {
  // expected-error @+1 {{has an activation beside another epilogue}}
  %y = colo.einsum "bi,oi->bo", %x, %w bias %b aux %z as gelu_grad : tensor<8x4xbf16>, tensor<8x4xbf16> bias tensor<8xbf16> aux tensor<8x8xbf16> -> tensor<8x8xbf16>
  return %y : tensor<8x8xbf16>
}

// -----

func.func @activationOfWhatLiesOtherwise(%x: memref<8x4xbf16>, %y: memref<8x8xbf16>, %z: memref<8x8xbf16, strided<[1, 8]>>) {
  // expected-error @+1 {{needs `aux` that lies as the result together with an activation that reads or writes it}}
  rt.gemm %x, %x, %y aux %z as gelu_grad {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xbf16>, memref<8x4xbf16>, memref<8x8xbf16> aux memref<8x8xbf16, strided<[1, 8]>>
  return
}

// -----

func.func @activationInOddRows(%x: memref<8x4xbf16>, %y: memref<8x12xbf16>, %z: memref<8x12xbf16>) {
  // expected-error @+1 {{needs rows a multiple of 8 elements apart, in a batch one product behind another, for `aux`}}
  rt.gemm %x, %x, %y aux %z as gelu_grad {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 12, 1>}
    : memref<8x4xbf16>, memref<8x4xbf16>, memref<8x12xbf16> aux memref<8x12xbf16>
  return
}

// -----

func.func @auxOfABatchBetweenRows(%x: memref<2x8x4xbf16>, %y: memref<8x2x8xbf16>, %z: memref<8x2x8xbf16>) {
  // expected-error @+1 {{needs rows a multiple of 8 elements apart, in a batch one product behind another, for `aux`}}
  rt.gemm %x, %x, %y aux %z as gelu_grad {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 16, 1>, batch = array<i64: 2>, a_batch = array<i64: 32>, b_batch = array<i64: 32>, c_batch = array<i64: 8>}
    : memref<2x8x4xbf16>, memref<2x8x4xbf16>, memref<8x2x8xbf16> aux memref<8x2x8xbf16>
  return
}

// -----

func.func @auxOfRelu(%x: memref<8x4xbf16>, %y: memref<8x8xbf16>, %z: memref<8x8xbf16>) {
  // expected-error @+1 {{needs `aux` that lies as the result together with an activation that reads or writes it}}
  rt.gemm %x, %x, %y aux %z as relu {sizes = array<i64: 8, 8, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 8, 1>}
    : memref<8x4xbf16>, memref<8x4xbf16>, memref<8x8xbf16> aux memref<8x8xbf16>
  return
}
