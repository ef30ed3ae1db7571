// RUN: colo-opt %s -rt-verify-buffers | FileCheck %s

// CHECK-LABEL: func.func @reuse_after_death
func.func @reuse_after_death(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<512xi8> to memref<64xf32>
  %c = rt.slot %ws at 0 {rt.value = array<i64: 2, 0, 256>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.all_reduce %a, %b over ["tp"] : memref<64xf32>, memref<64xf32>
  rt.all_reduce %b, %c over ["tp"] : memref<64xf32>, memref<64xf32>
  return
}
