// RUN: colo-opt %s --colo-mixed-precision=type=bf16 --split-input-file --verify-diagnostics
// RUN: not colo-opt %s --colo-mixed-precision=type=f8 --split-input-file 2>&1 | FileCheck %s

// CHECK: unknown type 'f8'; there are bf16 and f16
// expected-error @+1 {{parameters of mixed precision are f32, but this is of 'f64'}}
colo.param @w : tensor<8xf64> {logical_shape = array<i64: 8>, file_shape = array<i64: 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}

// -----

// expected-error @+1 {{cannot be read as 'i32'}}
colo.param @v : tensor<8xf32> {read_as = i32, logical_shape = array<i64: 8>, file_shape = array<i64: 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
