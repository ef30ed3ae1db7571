// RUN: colo-opt %s --dist-shard="mode=1d size=2" | FileCheck %s
// RUN: colo-opt %s --dist-shard="mode=1d size=1" | FileCheck %s --check-prefix=ONE

// A pinned value is cut there, a constant or a parameter too; what follows is free.
// CHECK-LABEL: @pinned
// CHECK: colo.reshape %{{.*}} {colo.shard = {axis = "tp", dim = 1 : i64}} : {{.*}} -> tensor<2x8x6xf32, #s_x_tp_x_>
// CHECK: %[[C:.*]] = colo.reshape %{{.*}} {colo.shard = {axis = "tp", dim = 2 : i64}} : {{.*}} -> tensor<2x8x6xf32, #s_x_x_tp_>
// ONE-LABEL: @pinned
// ONE: colo.reshape %{{.*}} {colo.shard = {axis = "tp", dim = 1 : i64}} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
func.func @pinned(%x: tensor<2x8x6xf32>) -> tensor<2x8x6xf32> attributes {colo.role = "entry"} {
  %e = colo.exp %x : tensor<2x8x6xf32>
  %y = colo.reshape %e {colo.shard = {axis = "tp", dim = 1 : i64}} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  %one = colo.constant 1.0 : tensor<2x8x6xf32>
  %c = colo.reshape %one {colo.shard = {axis = "tp", dim = 2 : i64}} : tensor<2x8x6xf32> -> tensor<2x8x6xf32>
  %z = colo.add %y, %c : tensor<2x8x6xf32>
  return %z : tensor<2x8x6xf32>
}
