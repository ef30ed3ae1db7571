// RUN: colo-opt %s --kernel-entries | FileCheck %s

// CHECK-LABEL: llvm.func @k(
// CHECK-SAME:    passthrough = ["noinline"]
// CHECK-LABEL: llvm.func @k.entry(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64)
// CHECK:         %[[POINTER:.*]] = llvm.load %{{.*}} : !llvm.ptr -> !llvm.ptr
// CHECK:         %[[SLOT:.*]] = llvm.getelementptr %arg0[1]
// CHECK:         %[[NUMBER:.*]] = llvm.load %[[SLOT]] : !llvm.ptr -> f64
// CHECK:         llvm.call @k(%[[POINTER]], %[[NUMBER]], %arg1, %arg2)
llvm.func @k(%x: !llvm.ptr, %scale: f64, %begin: i64, %end: i64) attributes {rt.kernel} {
  llvm.return
}

// CHECK-LABEL: llvm.func @host(
// CHECK-NOT:     @host.entry
llvm.func @host(%x: !llvm.ptr) {
  llvm.return
}
