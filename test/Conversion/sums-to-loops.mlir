// RUN: colo-opt %s -sums-to-loops | FileCheck %s

// To an f64 the values are added one after the other.
// CHECK-LABEL: func.func @to_float
func.func @to_float(%values: memref<8xf32>, %totals: memref<2xf64>) {
  // CHECK: %[[TOTAL:.*]] = memref.load %[[TOTALS:.*]][%[[ONE:.*]]]
  // CHECK: %[[SUM:.*]] = scf.for {{.*}} iter_args(%{{.*}} = %[[TOTAL]])
  // CHECK: arith.extf
  // CHECK: memref.store %[[SUM]], %[[TOTALS]][%[[ONE]]]
  rt.sum %values to %totals at 1 : memref<8xf32>, memref<2xf64>
  return
}

// CHECK-LABEL: func.func @to_integer
func.func @to_integer(%values: memref<8xf64>, %totals: memref<1xi64>) {
  // CHECK: %[[TOTAL:.*]] = memref.load
  // CHECK: %[[SUM:.*]] = scf.for
  // CHECK: %[[ADDED:.*]] = arith.fptosi %[[SUM]]
  // CHECK: %[[NEW:.*]] = arith.addi %[[TOTAL]], %[[ADDED]]
  // CHECK: memref.store %[[NEW]]
  rt.sum %values to %totals at 0 : memref<8xf64>, memref<1xi64>
  return
}

// CHECK-LABEL: func.func @without_sums
// CHECK-NEXT: return
func.func @without_sums() {
  return
}
