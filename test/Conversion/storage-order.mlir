// RUN: colo-opt %s -plan-buffers -symbol-dce -cse -split-input-file | FileCheck %s

// A gathered sequence is stored outermost: only the part that is sent is copied. Products with it, and the product that
// is scattered along the sequence, keep that order, so nothing else is copied and the product has one batch.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @gathered
  func.func @gathered(%x: tensor<3x4x8xf32>, %w: tensor<8x6xf32>, %v: tensor<6x8xf32>) -> tensor<3x4x8xf32> attributes {colo.role = "entry"} {
    // CHECK: rt.launch @copy.0(%{{.*}}) outs(%[[PART:.*]]) : {{.*}} outs memref<4x3x8xf32>
    // CHECK: rt.all_gather %[[PART]], %{{.*}} over ["tp"] : memref<4x3x8xf32>, memref<8x3x8xf32>
    %g = dist.all_gather %x dim 1 over @mesh ["tp"] : tensor<3x4x8xf32> -> tensor<3x8x8xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm {{.*}} sizes = array<i64: 24, 6, 8>
    %a = colo.einsum "bsk,kn->bsn", %g, %w : tensor<3x8x8xf32>, tensor<8x6xf32> -> tensor<3x8x6xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm {{.*}} sizes = array<i64: 24, 8, 6>
    %b = colo.einsum "bsk,kn->bsn", %a, %v : tensor<3x8x6xf32>, tensor<6x8xf32> -> tensor<3x8x8xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.reduce_scatter %{{.*}}, %{{.*}} over ["tp"] : memref<8x3x8xf32>, memref<4x3x8xf32>
    %r = dist.reduce_scatter sum %b dim 1 over @mesh ["tp"] : tensor<3x8x8xf32> -> tensor<3x4x8xf32>
    // The result of the function is row-major.
    // CHECK: rt.launch @copy.{{.*}} outs memref<3x4x8xf32>
    return %r : tensor<3x4x8xf32>
  }
}

// -----

// What is computed for a reduce_scatter is stored for it: the product itself writes it with the sequence outermost.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @scattered
  func.func @scattered(%x: tensor<3x8x6xf32>, %w: tensor<6x8xf32>) attributes {colo.role = "entry"} {
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm {{.*}}, memref<3x8x8xf32, strided<[8, 24, 1]>>
    %b = colo.einsum "bsk,kn->bsn", %x, %w : tensor<3x8x6xf32>, tensor<6x8xf32> -> tensor<3x8x8xf32>
    // CHECK-NEXT: rt.slot
    // CHECK: rt.reduce_scatter
    // CHECK-NOT: rt.launch
    %r = dist.reduce_scatter sum %b dim 1 over @mesh ["tp"] : tensor<3x8x8xf32> -> tensor<3x4x8xf32>
    return
  }
}

// -----

// An exchange sends blocks such that they arrive with the joined dim outermost: one copy, at the sender.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @exchanged
  func.func @exchanged(%x: tensor<3x4x2x5xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.launch @copy.0(%{{.*}}) outs(%[[SENT:.*]]) : {{.*}} outs memref<2x4x3x5xf32>
    // CHECK: rt.all_to_all
    // CHECK-NOT: rt.launch
    %r = dist.all_to_all %x from 1 dim 2 over @mesh ["tp"] : tensor<3x4x2x5xf32> -> tensor<3x8x1x5xf32>
    return
  }
}

// -----

// The innermost dim stays innermost: features are joined by a copy behind the gather.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @features
  func.func @features(%x: tensor<3x4x8xf32>) attributes {colo.role = "entry"} {
    // CHECK-NOT: rt.launch
    // CHECK: rt.all_gather
    // CHECK: rt.launch @copy.0
    %g = dist.all_gather %x dim 2 over @mesh ["tp"] : tensor<3x4x8xf32> -> tensor<3x4x16xf32>
    return
  }
}

// -----

// A product over rows in two orders packs the smaller operand, in the order of the larger.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @packed
  func.func @packed(%x: tensor<3x4x8xf32>, %y: tensor<3x8x2xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.all_gather
    %g = dist.all_gather %x dim 1 over @mesh ["tp"] : tensor<3x4x8xf32> -> tensor<3x8x8xf32>
    // CHECK: rt.launch @copy.{{.*}} outs memref<8x3x2xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm {{.*}} sizes = array<i64: 8, 2, 24>
    %w = colo.einsum "bsk,bsn->kn", %g, %y : tensor<3x8x8xf32>, tensor<3x8x2xf32> -> tensor<8x2xf32>
    return
  }
}
