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
