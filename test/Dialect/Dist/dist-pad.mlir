// RUN: colo-opt %s --dist-pad="mode=1d size=4" | FileCheck %s
// RUN: colo-opt %s --dist-pad="mode=1d size=5" | FileCheck %s --check-prefix=DIVIDES

// CHECK: colo.param @wte : tensor<12x6xf32>
// CHECK-SAME: logical_shape = array<i64: 10, 6>
// DIVIDES: colo.param @wte : tensor<10x6xf32>
colo.param @wte : tensor<10x6xf32> {logical_shape = array<i64: 10, 6>, file_shape = array<i64: 10, 6>,
  init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}

// A tied head: rows of the table are the classes; features are not padded.
// CHECK-LABEL: @model
func.func @model(%tokens: tensor<2x3xi32>) attributes {colo.role = "entry"} {
  // CHECK: colo.param_ref @wte : tensor<12x6xf32>
  %w = colo.param_ref @wte : tensor<10x6xf32>
  // CHECK: colo.embedding {{.*}}positions = [{axes = [], global = 10 : i64, padded = 12 : i64}
  %x = colo.embedding %w, %tokens : tensor<10x6xf32>, tensor<2x3xi32> -> tensor<2x3x6xf32>
  // CHECK: colo.einsum {{.*}} -> tensor<2x3x12xf32>
  %z = colo.einsum "bsh,vh->bsv", %x, %w : tensor<2x3x6xf32>, tensor<10x6xf32> -> tensor<2x3x10xf32>
  // CHECK: colo.cross_entropy {{.*}} {classes = 10 : i64
  %l, %c, %e = colo.cross_entropy %z, %tokens {classes = 10 : i64, ignore_index = -1 : i64, label_smoothing = 0.0 : f64}
    : tensor<2x3x10xf32>, tensor<2x3xi32> -> tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
  return
}

// What would count padding gets 0 there, or what is below everything: a sum and a maximum of the user's.
// CHECK-LABEL: @readClasses
func.func @readClasses(%z: tensor<2x10xf32>, %t: tensor<2xi32>) {
  %l, %c, %e = colo.cross_entropy %z, %t {classes = 10 : i64, ignore_index = -1 : i64, label_smoothing = 0.0 : f64}
    : tensor<2x10xf32>, tensor<2xi32> -> tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
  // CHECK: %[[IOTA:.*]] = colo.iota {{.*}}global = 10 : i64, padded = 12 : i64{{.*}} : tensor<2x12xi32>
  // CHECK: %[[TEN:.*]] = colo.constant 1.000000e+01
  // CHECK: %[[TRUE:.*]] = colo.compare lt, %[[IOTA]], %[[TEN]]
  // CHECK: %[[ZERO:.*]] = colo.constant 0.000000e+00
  // CHECK: %[[SUMMED:.*]] = colo.select %[[TRUE]], %{{.*}}, %[[ZERO]]
  // CHECK: colo.reduce %[[SUMMED]]
  %s = colo.reduce %z {dims = array<i64: 1>, kind = 0 : i32} : tensor<2x10xf32> -> tensor<2xf32>
  // CHECK: %[[LOWEST:.*]] = colo.constant 0xFFF0000000000000
  // CHECK: colo.select %{{.*}}, %{{.*}}, %[[LOWEST]]
  %m = colo.reduce %z {dims = array<i64: 1>, kind = 1 : i32} : tensor<2x10xf32> -> tensor<2xf32>
  // CHECK-NOT: colo.softmax
  %p = colo.softmax %z : tensor<2x10xf32>
  return
}

// The gradient of logits is 0 in the padding, and stays so times what is the same in every class.
// CHECK-LABEL: @zeroAnyway
func.func @zeroAnyway(%z: tensor<2x10xf32>, %t: tensor<2xi32>, %lse: tensor<2xf32>, %d: tensor<2xf32>, %scale: tensor<1xf32>) {
  %g = colo.cross_entropy_grad %z, %t, %lse, %d {classes = 10 : i64, ignore_index = -1 : i64, label_smoothing = 0.0 : f64}
    : tensor<2x10xf32>, tensor<2xi32>, tensor<2xf32>, tensor<2xf32> -> tensor<2x10xf32>
  %one = colo.reshape %scale : tensor<1xf32> -> tensor<f32>
  %b = colo.broadcast %one {dims = array<i64>} : tensor<f32> -> tensor<2x10xf32>
  %p = colo.mul %g, %b : tensor<2x10xf32>
  // CHECK-NOT: colo.select
  %s = colo.reduce %p {dims = array<i64: 0, 1>, kind = 0 : i32} : tensor<2x10xf32> -> tensor<f32>
  return
}

// An id that is computed may lie past the true rows, and then finds none; data are checked, positions are known.
// CHECK-LABEL: @idsPastTheTable
func.func @idsPastTheTable(%g: tensor<2x6xf32>, %drawn: tensor<2xi32>, %read: tensor<2xi32> {colo.classes = 10 : i64}) {
  // CHECK: %[[ROWS:.*]] = colo.constant 1.000000e+01
  // CHECK: %[[ISROW:.*]] = colo.compare lt, %[[DRAWN:.*]], %[[ROWS]]
  // CHECK: %[[NONE:.*]] = colo.constant 1.200000e+01
  // CHECK: %[[IDS:.*]] = colo.select %[[ISROW]], %[[DRAWN]], %[[NONE]]
  // CHECK: colo.embedding_grad %{{.*}}, %[[IDS]]
  %a = colo.embedding_grad %g, %drawn : tensor<2x6xf32>, tensor<2xi32> -> tensor<10x6xf32>
  // CHECK-NOT: colo.compare
  %b = colo.embedding_grad %g, %read : tensor<2x6xf32>, tensor<2xi32> -> tensor<10x6xf32>
  %positions = colo.iota {dim = 0 : i64} : tensor<2xi32>
  %mask = colo.constant 1.0 : tensor<2xi1>
  %chosen = colo.select %mask, %read, %positions : tensor<2xi1>, tensor<2xi32>, tensor<2xi32> -> tensor<2xi32>
  %c = colo.embedding_grad %g, %chosen : tensor<2x6xf32>, tensor<2xi32> -> tensor<10x6xf32>
  return
}
