// RUN: colo-opt %s --lower-gpu-kernels --canonicalize --cse | FileCheck %s

// Attention of 16-bit elements by tensor cores: a block's 4 warps have 16 rows each and go through the 2 tiles of 64 keys. Shared memory
// holds the tiles of queries, keys and values (64 rows of 72 elements) and no scores, so nobody waits between the two products. Each
// has 4 steps of 16 elements or keys and 8 products a step, and what is rounded are the probabilities.

// CHECK-LABEL: gpu.func @narrow(
// CHECK-SAME:    workgroup({{.*}} : memref<27648xi8, #gpu.address_space<workgroup>>
// CHECK-SAME:    known_block_size = array<i32: 128, 1, 1>
// CHECK:         scf.for %{{.*}} = %c0 to %c2
// CHECK:           gpu.barrier
// CHECK:           nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<row>
// CHECK-COUNT-32:  llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.bf16"
// CHECK-NOT:       nvvm.mma.m16
// CHECK:           math.exp
// CHECK:           arith.truncf {{.*}} : f32 to bf16
// CHECK-NOT:       gpu.barrier
// CHECK:           nvvm.ldmatrix {{.*}}layout = #nvvm.mma_layout<col>
// CHECK-COUNT-32:  llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.bf16"
// CHECK-NOT:       nvvm.mma.m16
// CHECK:           gpu.barrier
// CHECK:           scf.yield
// CHECK:         math.log
func.func private @narrow(%q: tensor<2x128x4x64xbf16>) -> (tensor<2x128x4x64xbf16>, tensor<2x4x128xf32>) attributes {rt.kernel} {
  %o, %lse = rt.attention "forward" %q, %q, %q {scale = 0.125 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 128, 128>, run = 128 : i64}
    : (tensor<2x128x4x64xbf16>, tensor<2x128x4x64xbf16>, tensor<2x128x4x64xbf16>) -> (tensor<2x128x4x64xbf16>, tensor<2x4x128xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return %o, %lse : tensor<2x128x4x64xbf16>, tensor<2x4x128xf32>
}

// Of f32 by FMAs.

// CHECK-LABEL: gpu.func @wide(
// CHECK-NOT:     nvvm.{{mma\.|ldmatrix}}
func.func private @wide(%q: tensor<2x128x4x64xf32>) -> (tensor<2x128x4x64xf32>, tensor<2x4x128xf32>) attributes {rt.kernel} {
  %o, %lse = rt.attention "forward" %q, %q, %q {scale = 0.125 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 128, 128>, run = 128 : i64}
    : (tensor<2x128x4x64xf32>, tensor<2x128x4x64xf32>, tensor<2x128x4x64xf32>) -> (tensor<2x128x4x64xf32>, tensor<2x4x128xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return %o, %lse : tensor<2x128x4x64xf32>, tensor<2x4x128xf32>
}

// The gradient of the keys and values of heads of 256 would take more registers than there are: by FMAs, of 16 bits, too.

// CHECK-LABEL: gpu.func @large(
// CHECK-NOT:     nvvm.{{mma\.|ldmatrix}}
func.func private @large(%q: tensor<1x64x1x256xf16>, %lse: tensor<1x1x64xf32>) -> (tensor<1x64x1x256xf16>, tensor<1x64x1x256xf16>)
    attributes {rt.kernel} {
  %dk, %dv = rt.attention "dkey_dvalue" %q, %q, %q lse %lse gradient %q delta %lse {scale = 0.125 : f64, dropout = 0.0 : f64, sizes = array<i64: 1, 1, 64, 64>, run = 64 : i64}
    : (tensor<1x64x1x256xf16>, tensor<1x64x1x256xf16>, tensor<1x64x1x256xf16>, tensor<1x1x64xf32>, tensor<1x64x1x256xf16>, tensor<1x1x64xf32>)
    -> (tensor<1x64x1x256xf16>, tensor<1x64x1x256xf16>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return %dk, %dv : tensor<1x64x1x256xf16>, tensor<1x64x1x256xf16>
}
