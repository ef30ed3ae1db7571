// RUN: colo-opt %s --colo-decompose | FileCheck %s

// CHECK-LABEL: func.func @softmax_subtracts_the_maximum
// CHECK:         %[[MAX:.*]] = colo.reduce %[[X:.*]] {dims = array<i64: 1>, kind = 1 : i32}
// CHECK:         %[[MAXES:.*]] = colo.broadcast %[[MAX]]
// CHECK:         %[[CENTRED:.*]] = colo.sub %[[X]], %[[MAXES]]
// CHECK:         %[[EXP:.*]] = colo.exp %[[CENTRED]]
// CHECK:         colo.reduce %[[EXP]] {dims = array<i64: 1>, kind = 0 : i32}
// CHECK:         colo.div %[[EXP]]
func.func @softmax_subtracts_the_maximum(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %y = colo.softmax %x : tensor<2x5xf32>
  return %y : tensor<2x5xf32>
}

// CHECK-LABEL: func.func @variance_is_of_centred_values
// CHECK:         %[[SUM:.*]] = colo.reduce %[[X:.*]] {dims = array<i64: 1>, kind = 0 : i32}
// CHECK:         %[[MEAN:.*]] = colo.mul %[[SUM]]
// CHECK:         %[[MEANS:.*]] = colo.broadcast %[[MEAN]]
// CHECK:         %[[CENTRED:.*]] = colo.sub %[[X]], %[[MEANS]]
// CHECK:         %[[SQUARE:.*]] = colo.mul %[[CENTRED]], %[[CENTRED]]
// CHECK:         colo.reduce %[[SQUARE]]
// CHECK:         %[[RSTD:.*]] = colo.rsqrt
// CHECK:         return %{{.*}}, %[[MEAN]], %[[RSTD]]
func.func @variance_is_of_centred_values(%x: tensor<2x5xf32>) -> (tensor<2x5xf32>, tensor<2xf32>, tensor<2xf32>) {
  %y, %mean, %rstd = colo.layer_norm %x {eps = 1.0e-5 : f64} : tensor<2x5xf32> -> tensor<2x5xf32>, tensor<2xf32>, tensor<2xf32>
  return %y, %mean, %rstd : tensor<2x5xf32>, tensor<2xf32>, tensor<2xf32>
}

// CHECK-LABEL: func.func @padded_classes_are_masked
// CHECK:         %[[COLUMN:.*]] = colo.iota {dim = 1 : i64} : tensor<2x8xi32>
// CHECK:         %[[CLASSES:.*]] = colo.constant 7.0
// CHECK:         %[[MASK:.*]] = colo.compare lt, %[[COLUMN]], %[[CLASSES]]
// CHECK:         %[[MASKED:.*]] = colo.select %[[MASK]]
// CHECK:         colo.reduce %[[MASKED]] {dims = array<i64: 1>, kind = 1 : i32}
// CHECK:         colo.compare eq, %[[COLUMN]]
// CHECK:         %[[COUNTED:.*]] = colo.compare ne
// CHECK:         colo.select %[[COUNTED]]
func.func @padded_classes_are_masked(%z: tensor<2x8xf32>, %t: tensor<2xi32>) -> tensor<2xf32> {
  %losses, %weights, %lse = colo.cross_entropy %z, %t {classes = 7 : i64, ignore_index = -100 : i64, label_smoothing = 0.0 : f64} : tensor<2x8xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  return %losses : tensor<2xf32>
}

// CHECK-LABEL: func.func @mean_is_a_sum_times_its_inverse_count
// CHECK:         %[[PRODUCT:.*]] = colo.mul
// CHECK:         %[[INVERSE:.*]] = colo.inverse_count {term = 1 : i64}
// CHECK:         %[[SUM:.*]] = colo.reduce %[[PRODUCT]] {dims = array<i64: 0, 1>, kind = 0 : i32}
// CHECK:         colo.mul %[[SUM]], %[[INVERSE]]
func.func @mean_is_a_sum_times_its_inverse_count(%x: tensor<2x5xf32>, %w: tensor<2x5xf32>) -> tensor<f32> {
  %m = colo.weighted_mean %x, %w {term = 1 : i64} : tensor<2x5xf32>, tensor<2x5xf32> -> tensor<f32>
  return %m : tensor<f32>
}

// CHECK-LABEL: func.func @attention_stays
// CHECK-NEXT:    colo.attention
// CHECK-NEXT:    return
func.func @attention_stays(%q: tensor<2x3x4x5xf32>, %k: tensor<2x3x4x5xf32>) -> tensor<2x3x4x5xf32> {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64} : tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32>, tensor<2x3x4x5xf32> -> tensor<2x3x4x5xf32>, tensor<2x4x3xf32>
  return %o : tensor<2x3x4x5xf32>
}
