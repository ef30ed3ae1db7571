// RUN: colo-opt %s --lower-gpu-kernels --canonicalize --cse | FileCheck %s

// Two tiles of rows of 4 heads of 2 samples. The plan reads the operations of a launch.

// CHECK-LABEL: func.func private @forward(
// CHECK-SAME:    rt.extent = 16 : i64, rt.flops = 16777216 : i64, {{.*}}rt.threads = 128 : i64

// A block has 64 rows of one head and goes through the 4 tiles of 32 keys. 16-byte accesses fill the tiles; what threads keep is in
// registers, and shared memory holds the tiles of queries (64 rows of 68 elements), keys and values (32 each) and of probabilities (64 of
// 36): no array has as many elements as there are scores. A tile of keys that all come later is left out.

// CHECK-LABEL: gpu.func @forward(
// CHECK-SAME:    workgroup({{.*}} : memref<44032xi8, #gpu.address_space<workgroup>>
// CHECK-SAME:    known_block_size = array<i32: 128, 1, 1>
// CHECK-NOT:     memref.alloc
// CHECK:         %[[STATE:.*]]:40 = scf.for %{{.*}} = %c0 to %c4
// CHECK:           scf.if
// CHECK:             gpu.barrier
// CHECK:             scf.for %{{.*}} = %c0 to %c16
// CHECK:             gpu.shuffle  xor
// CHECK:             math.exp
// CHECK:             gpu.barrier
// CHECK:             scf.for %{{.*}} = %c0 to %c8
// CHECK:             gpu.barrier
// CHECK-NEXT:        scf.yield
// CHECK-NEXT:      } else {
// CHECK-NEXT:        scf.yield
// CHECK:         math.log
// CHECK-NOT:     memref.atomic_rmw
func.func private @forward(%q: tensor<2x128x4x64xf32>, %k: tensor<2x128x2x64xf32>) -> (tensor<2x128x4x64xf32>, tensor<2x4x128xf32>)
    attributes {rt.kernel, rt.flops = 16777216 : i64} {
  %o, %lse = rt.attention forward %q, %k, %k {scale = 0.125 : f64, causal, ordered, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 128, 128>, run = 128 : i64}
    : (tensor<2x128x4x64xf32>, tensor<2x128x2x64xf32>, tensor<2x128x2x64xf32>) -> (tensor<2x128x4x64xf32>, tensor<2x4x128xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %b64 = arith.index_cast %b : index to i64
    %a64 = arith.index_cast %a : index to i64
    %s64 = arith.index_cast %s : index to i64
    %t64 = arith.index_cast %t : index to i64
    rt.yield %b64, %a64, %s64, %t64 : i64, i64, i64, i64
  }
  return %o, %lse : tensor<2x128x4x64xf32>, tensor<2x4x128xf32>
}

// Two heads of queries read a head of keys, whose gradient goes through the rows of both. Without positions nothing is left out.

// CHECK-LABEL: gpu.func @dkey_dvalue(
// CHECK-SAME:    known_block_size = array<i32: 128, 1, 1>
// CHECK:         scf.for %{{.*}} = %c0 to %c8
// CHECK-NOT:       scf.if
// CHECK:           math.exp
// CHECK:         gpu.return
func.func private @dkey_dvalue(%q: tensor<2x128x4x64xf32>, %k: tensor<2x128x2x64xf32>, %lse: tensor<2x4x128xf32>)
    -> (tensor<2x128x2x64xf32>, tensor<2x128x2x64xf32>) attributes {rt.kernel} {
  %dk, %dv = rt.attention dkey_dvalue %q, %k, %k lse %lse gradient %q delta %lse {scale = 0.125 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 128, 128>, run = 128 : i64}
    : (tensor<2x128x4x64xf32>, tensor<2x128x2x64xf32>, tensor<2x128x2x64xf32>, tensor<2x4x128xf32>, tensor<2x128x4x64xf32>, tensor<2x4x128xf32>)
    -> (tensor<2x128x2x64xf32>, tensor<2x128x2x64xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return %dk, %dv : tensor<2x128x2x64xf32>, tensor<2x128x2x64xf32>
}
