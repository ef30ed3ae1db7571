// RUN: colo-opt %s --colo-autodiff=save-biased | FileCheck %s
// RUN: colo-opt %s --colo-autodiff | FileCheck %s --check-prefix=PRODUCT

// What is saved is the product with its bias, and the backward has no bias to add; without the option it is the product.

// CHECK-LABEL: func.func private @F.fwd
// CHECK:         %[[P:.*]] = colo.einsum "bi,oi->bo"
// CHECK:         %[[Z:.*]] = colo.add %[[P]]
// CHECK:         return %{{.*}}, %[[Z]], %arg0
// CHECK-LABEL: func.func private @F.bwd
// CHECK-NOT:     colo.add
// CHECK:         colo.gelu %arg1
// CHECK:         colo.gelu_grad %arg1
// A vector that is added to all columns no product adds, so the product is saved.
// CHECK-LABEL: func.func private @G.fwd
// CHECK:         %[[P:.*]] = colo.einsum "bi,oi->bo"
// CHECK:         return %{{.*}}, %[[P]], %arg0
// CHECK-LABEL: func.func @biased

// PRODUCT-LABEL: func.func private @F.fwd
// PRODUCT:         %[[P:.*]] = colo.einsum "bi,oi->bo"
// PRODUCT:         return %{{.*}}, %[[P]], %arg0
colo.param @"a.#" : tensor<3x3xf32> {layers = 5 : i64, logical_shape = array<i64: 3, 3>, file_shape = array<i64: 3, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"c.#" : tensor<3xf32> {layers = 5 : i64, logical_shape = array<i64: 3>, file_shape = array<i64: 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
colo.param @"b.#" : tensor<3x3xf32> {layers = 5 : i64, logical_shape = array<i64: 3, 3>, file_shape = array<i64: 3, 3>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @F(%x: tensor<2x3xf32>, %a: tensor<3x3xf32> {colo.param = "a"}, %c: tensor<3xf32> {colo.param = "c"}, %b: tensor<3x3xf32> {colo.param = "b"}) -> tensor<2x3xf32> {
  %p = colo.einsum "bi,oi->bo", %x, %a : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  %bias = colo.broadcast %c {dims = array<i64: 1>} : tensor<3xf32> -> tensor<2x3xf32>
  %z = colo.add %p, %bias : tensor<2x3xf32>
  %g = colo.gelu %z : tensor<2x3xf32>
  %y = colo.einsum "bi,oi->bo", %g, %b : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
colo.param @"r.#" : tensor<2xf32> {layers = 5 : i64, logical_shape = array<i64: 2>, file_shape = array<i64: 2>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
func.func private @G(%x: tensor<2x3xf32>, %a: tensor<3x3xf32> {colo.param = "a"}, %r: tensor<2xf32> {colo.param = "r"}, %b: tensor<3x3xf32> {colo.param = "b"}) -> tensor<2x3xf32> {
  %p = colo.einsum "bi,oi->bo", %x, %a : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  %column = colo.broadcast %r {dims = array<i64: 0>} : tensor<2xf32> -> tensor<2x3xf32>
  %z = colo.add %p, %column : tensor<2x3xf32>
  %g = colo.gelu %z : tensor<2x3xf32>
  %y = colo.einsum "bi,oi->bo", %g, %b : tensor<2x3xf32>, tensor<3x3xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @biased(%x: tensor<2x3xf32> {colo.input = "x"}) attributes {colo.role = "entry"} {
  %h = colo.layers @F(%x) invariants() stacked() params [@"a.#", @"c.#", @"b.#"] {count = 5 : i64} : (tensor<2x3xf32>) () () -> (tensor<2x3xf32>) () ()
  %y = colo.layers @G(%h) invariants() stacked() params [@"a.#", @"r.#", @"b.#"] {count = 5 : i64} : (tensor<2x3xf32>) () () -> (tensor<2x3xf32>) () ()
  %ones = colo.constant 1.0 : tensor<2x3xf32>
  %loss = colo.weighted_mean %y, %ones : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<f32>
  colo.metric "loss", %loss : tensor<f32>
  return
}
