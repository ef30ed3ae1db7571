// RUN: colo-opt %s --colo-mixed-precision=type=bf16 | FileCheck %s
// RUN: colo-opt %s --colo-mixed-precision | FileCheck %s --check-prefix=OFF

// OFF-NOT: bf16
// CHECK: colo.param @w : tensor<8x16xf32> {{.*}}read_as = bf16
colo.param @w : tensor<8x16xf32> {logical_shape = array<i64: 8, 16>, file_shape = array<i64: 8, 16>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}

// CHECK-LABEL: func.func private @parameters_are_narrow_and_statistics_wide(
// CHECK-SAME: %[[X:.*]]: tensor<4x16xbf16>) -> (tensor<4x16xbf16>, tensor<4xf32>)
func.func private @parameters_are_narrow_and_statistics_wide(%x: tensor<4x16xf32>) -> (tensor<4x16xf32>, tensor<4xf32>) {
  // CHECK: colo.layer_norm %[[X]] {{.*}} : tensor<4x16xbf16> -> tensor<4x16xbf16>, tensor<4xf32>, tensor<4xf32>
  %y, %mean, %rstd = colo.layer_norm %x {eps = 1.0e-5 : f64} : tensor<4x16xf32> -> tensor<4x16xf32>, tensor<4xf32>, tensor<4xf32>
  // A wide value meets a narrow one: the narrow type wins, and a constant is made anew.
  // CHECK: %[[SUM:.*]] = colo.reduce {{.*}} : tensor<4x16xbf16> -> tensor<4xf32>
  %s = colo.reduce %y {dims = array<i64: 1>, kind = 0 : i32} : tensor<4x16xf32> -> tensor<4xf32>
  // CHECK: %[[ROW:.*]] = colo.broadcast %[[SUM]] {{.*}} -> tensor<4x16xf32>
  %b = colo.broadcast %s {dims = array<i64: 0>} : tensor<4xf32> -> tensor<4x16xf32>
  // CHECK: %[[NARROW:.*]] = colo.convert %[[ROW]] : tensor<4x16xf32> -> tensor<4x16xbf16>
  // CHECK: colo.mul {{.*}}, %[[NARROW]] : tensor<4x16xbf16>
  %z = colo.mul %y, %b : tensor<4x16xf32>
  %one = colo.constant 1.0 : tensor<4x16xf32>
  // CHECK: colo.constant 1.{{.*}} : tensor<4x16xbf16>
  %r = colo.add %z, %one : tensor<4x16xf32>
  return %r, %s : tensor<4x16xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @entry(
// CHECK-SAME: tensor<4x8xf32>
func.func @entry(%x: tensor<4x8xf32> {colo.input = "x"}, %t: tensor<4xi32> {colo.input = "t"}) attributes {colo.role = "entry"} {
  // CHECK: %[[W:.*]] = colo.param_ref @w : tensor<8x16xbf16>
  %w = colo.param_ref @w : tensor<8x16xf32>
  // CHECK: %[[C:.*]] = colo.convert {{.*}} : tensor<4x8xf32> -> tensor<4x8xbf16>
  // CHECK: %[[P:.*]] = colo.einsum "bi,io->bo", %[[C]], %[[W]] : tensor<4x8xbf16>, tensor<8x16xbf16> -> tensor<4x16xbf16>
  %p = colo.einsum "bi,io->bo", %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
  %q, %m = colo.call @parameters_are_narrow_and_statistics_wide(%p) params [] : (tensor<4x16xf32>) -> (tensor<4x16xf32>, tensor<4xf32>)
  // CHECK: colo.cross_entropy {{.*}} : tensor<4x16xbf16>, tensor<4xi32> -> tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  %l, %c, %lse = colo.cross_entropy %q, %t {classes = 16 : i64, ignore_index = -100 : i64, label_smoothing = 0.0 : f64} : tensor<4x16xf32>, tensor<4xi32> -> tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
  %loss = colo.weighted_mean %l, %c : tensor<4xf32>, tensor<4xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
