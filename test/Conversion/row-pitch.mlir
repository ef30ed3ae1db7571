// RUN: colo-opt %s -plan-buffers=row-alignment=16 -symbol-dce -cse -rt-verify-buffers -split-input-file | FileCheck %s
// RUN: colo-opt %s -plan-buffers -symbol-dce -cse -split-input-file | FileCheck %s --check-prefix=WITHOUT --implicit-check-not=strided
// WITHOUT-COUNT-4: func.func @
// RUN: not colo-opt %s -plan-buffers=row-alignment=12 2>&1 | FileCheck %s --check-prefix=ALIGNMENT
// ALIGNMENT: error: row-alignment=12 is no multiple of 8 bytes, the largest element

// Rows that a product makes and rows that it reads start at multiples of 128 bytes if they are long, of 16 if not; the workspace has room
// for them: 64 x 288 x 4 bytes twice. Kernels read by strides, nothing is copied.
module {
  func.func private @k(%x: tensor<64x257xf32>) -> tensor<64x257xf32> attributes {rt.kernel}
  // CHECK-LABEL: func.func @rows
  // CHECK-SAME: memref<147456xi8>
  func.func @rows(%x: tensor<64x8xf32>, %w: tensor<257x8xf32>) -> tensor<64x8xf32> attributes {colo.role = "entry"} {
    // CHECK: rt.slot {{.*}} array<i64: 0, 0, 73728>
    // CHECK: rt.gemm {{.*}} {a = array<i64: 8, 1>, b = array<i64: 1, 8>, c = array<i64: 288, 1>, sizes = array<i64: 64, 257, 8>}
    // CHECK-SAME: memref<64x257xf32, strided<[288, 1]>>
    %y = colo.einsum "bi,oi->bo", %x, %w : tensor<64x8xf32>, tensor<257x8xf32> -> tensor<64x257xf32>
    // CHECK: rt.launch @k({{.*}} outs {{.*}}strided<[288, 1]>
    %z = rt.launch @k(%y) : (tensor<64x257xf32>) -> tensor<64x257xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm {{.*}} {a = array<i64: 288, 1>, b = array<i64: 8, 1>, c = array<i64: 8, 1>
    %r = colo.einsum "bo,oi->bi", %z, %w : tensor<64x257xf32>, tensor<257x8xf32> -> tensor<64x8xf32>
    return %r : tensor<64x8xf32>
  }
}

// -----

// What several products take as one dim stays one: heads of 13 features are rows of 39 elements, of which a gap may come behind each, but
// not behind 13, where products would have a batch of three.
module {
  func.func private @k(%x: tensor<4x8x3x13xf32>) -> tensor<4x8x3x13xf32> attributes {rt.kernel}
  // CHECK-LABEL: func.func @heads
  func.func @heads(%x: tensor<4x8x8xf32>, %w: tensor<3x13x8xf32>) -> tensor<4x8x8xf32> attributes {colo.role = "entry"} {
    // CHECK: rt.gemm {{.*}} {a = array<i64: 8, 1>, b = array<i64: 1, 8>, c = array<i64: 40, 1>, sizes = array<i64: 32, 39, 8>}
    // CHECK-SAME: memref<4x8x3x13xf32, strided<[320, 40, 13, 1]>>
    %y = colo.einsum "bsi,hdi->bshd", %x, %w : tensor<4x8x8xf32>, tensor<3x13x8xf32> -> tensor<4x8x3x13xf32>
    %z = rt.launch @k(%y) : (tensor<4x8x3x13xf32>) -> tensor<4x8x3x13xf32>
    // CHECK-NOT: @copy
    // CHECK: rt.gemm {{.*}} {a = array<i64: 40, 1>
    %r = colo.einsum "bshd,hdi->bsi", %z, %w : tensor<4x8x3x13xf32>, tensor<3x13x8xf32> -> tensor<4x8x8xf32>
    return %r : tensor<4x8x8xf32>
  }
}

// -----

// In 16 bits: 50257 words become 50304, 64 of them a line.
module {
  // CHECK-LABEL: func.func @words
  func.func private @k(%x: tensor<2x4x50257xbf16>) -> tensor<8xf32> attributes {rt.kernel}
  func.func @words(%x: tensor<2x4x8xbf16>, %w: tensor<50257x8xbf16>) -> tensor<8xf32> attributes {colo.role = "entry"} {
    // CHECK: c = array<i64: 50304, 1>, sizes = array<i64: 8, 50257, 8>
    // CHECK-SAME: strided<[201216, 50304, 1]>
    %y = colo.einsum "bsi,vi->bsv", %x, %w : tensor<2x4x8xbf16>, tensor<50257x8xbf16> -> tensor<2x4x50257xbf16>
    %z = rt.launch @k(%y) : (tensor<2x4x50257xbf16>) -> tensor<8xf32>
    return %z : tensor<8xf32>
  }
}

// -----

// What a collective sends, what is viewed in another shape, what the function returns and what lies beside another product's result have no
// gaps; nor have values that no product reads or makes, short rows, and rows that are a multiple already.
module {
  dist.mesh @mesh <["tp"=2]>
  func.func private @k(%x: tensor<64x257xf32>) -> tensor<64x257xf32> attributes {rt.kernel}
  func.func private @s(%x: tensor<64x31xf32>) -> tensor<8xf32> attributes {rt.kernel}
  // CHECK-LABEL: func.func @packed
  // CHECK-NOT: strided
  func.func @packed(%x: tensor<64x8xf32>, %w: tensor<257x8xf32>, %v: tensor<260x8xf32>, %n: tensor<31x8xf32>) -> (tensor<64x257xf32>, tensor<64x257xf32>, tensor<128x257xf32>, tensor<64x8xf32>, tensor<8xf32>) attributes {colo.role = "entry"} {
    %sent = colo.einsum "bi,oi->bo", %x, %w : tensor<64x8xf32>, tensor<257x8xf32> -> tensor<64x257xf32>
    %all = dist.all_gather %sent dim 0 over @mesh ["tp"] : tensor<64x257xf32> -> tensor<128x257xf32>
    %returned = colo.einsum "bi,oi->bo", %x, %w : tensor<64x8xf32>, tensor<257x8xf32> -> tensor<64x257xf32>
    %beside = colo.einsum "bi,oi->bo", %x, %w : tensor<64x8xf32>, tensor<257x8xf32> -> tensor<64x257xf32>
    %sum = colo.einsum "bi,oi->bo", %x, %w plus %beside : tensor<64x8xf32>, tensor<257x8xf32> plus tensor<64x257xf32> -> tensor<64x257xf32>
    %even = colo.einsum "bi,oi->bo", %x, %v : tensor<64x8xf32>, tensor<260x8xf32> -> tensor<64x260xf32>
    %r = colo.einsum "bo,oi->bi", %even, %v : tensor<64x260xf32>, tensor<260x8xf32> -> tensor<64x8xf32>
    %short = colo.einsum "bi,oi->bo", %x, %n : tensor<64x8xf32>, tensor<31x8xf32> -> tensor<64x31xf32>
    %z = rt.launch @s(%short) : (tensor<64x31xf32>) -> tensor<8xf32>
    return %returned, %sum, %all, %r, %z : tensor<64x257xf32>, tensor<64x257xf32>, tensor<128x257xf32>, tensor<64x8xf32>, tensor<8xf32>
  }
}
