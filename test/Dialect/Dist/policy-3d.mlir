// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=3d size=8" --colo-decompose \
// RUN:   --dist-shard="mode=3d size=8" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=3d size=1" | diff %t.global -

// in and out change roles from product to product; what goes from layer to layer is canonical.
// CHECK: dist.mesh @mesh <["out"=2, "in"=2, "wt"=2]>
// CHECK-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_wtin_x_out_>, %arg1: tensor<72xf32, #s_out_>
// CHECK-SAME: tensor<3x12x6x72xf32, #s_x_in_x_outwt_> {colo.param = "attn.qkv.weight"}
// CHECK-SAME: tensor<3x12x6xf32, #s_x_in_x_> {colo.param = "attn.qkv.bias"}
// CHECK-SAME: tensor<72x12x6xf32, #s_out_inwt_x_> {colo.param = "attn.proj.weight"}
// CHECK-SAME: tensor<288x72xf32, #s_in_outwt_> {colo.param = "mlp.fc.weight"}
// CHECK-SAME: tensor<72x288xf32, #s_out_inwt_> {colo.param = "mlp.proj.weight"}
// CHECK-COUNT-2: dist.all_reduce sum {{.*}} over @mesh ["out"] : (tensor<4x24xf32
// CHECK: dist.all_gather {{.*}} dim 0 over @mesh ["in"]
// CHECK-NEXT: dist.all_gather %arg3 dim 3 over @mesh ["wt"]
// CHECK-NEXT: colo.einsum {{.*}} -> tensor<4x24x3x12x6xf32, #s_wt_x_x_in_x_sum_out_>
// CHECK: dist.reduce_scatter sum {{.*}} dim 0 over @mesh ["out"] : {{.*}} -> tensor<4x24x3x12x6xf32, #s_wtout_x_x_in_x_>
// CHECK: colo.attention {{.*}} tensor<4x24x12x6xf32, #s_wtout_x_in_x_>
// CHECK: dist.all_gather {{.*}} dim 0 over @mesh ["out"]
// CHECK: dist.reduce_scatter sum {{.*}} dim 0 over @mesh ["in"] : {{.*}} -> tensor<4x24x72xf32, #s_wtin_x_out_>
// CHECK: return

// CHECK-LABEL: @Block.bwd
// CHECK: dist.reduce_scatter sum {{.*}} dim 1 over @mesh ["wt"] : tensor<72x288xf32, #s_out_in_sum_wt_>
// CHECK-NEXT: colo.grad {{.*}} tensor<72x288xf32, #s_out_inwt_>, tensor<72x288xf32, #s_out_inwt_>

// The table, padded to a multiple of four, is gathered over wt for the lookup and the head.
// CHECK: colo.param @wte.weight : tensor<52x72xf32, #s_inwt_out_>
// CHECK-LABEL: func.func @GPT2(
// CHECK: dist.all_gather {{.*}} dim 0 over @mesh ["wt"] : tensor<52x72xf32
// CHECK: colo.embedding {{.*}} -> tensor<4x24x72xf32, #s_wt_x_out_sum_in_>
// CHECK: dist.all_reduce max {{.*}} over @mesh ["in"]
