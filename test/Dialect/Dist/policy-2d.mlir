// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=2d size=4" --colo-decompose \
// RUN:   --dist-shard="mode=2d size=4" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=2d size=1" | diff %t.global -
// RUN: not colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=2d size=25" --colo-decompose \
// RUN:   --dist-shard="mode=2d size=25" 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: error: dim 1 of parameter 'wte.weight', 72, must be a multiple of 5, the size of mesh axis "row"
// ERROR: note: {{.*}}tensor sizes of mode '2d' that divide it: 1, 4, 9, 16, 36, 64, 81, 144, 324, 576, 1296, 5184

// Rows of the batch over row, features over col. The second product of the MLP keeps its input in place: its weight is
// cut the other way round. Vectors are cut like the features that they meet.
// CHECK: dist.mesh @mesh <["row"=2, "col"=2]>
// CHECK-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_row_x_col_>, %arg1: tensor<72xf32, #s_col_>
// CHECK-SAME: tensor<3x12x6x72xf32, #s_x_col_x_row_> {colo.param = "attn.qkv.weight"}
// CHECK-SAME: tensor<3x12x6xf32, #s_x_col_x_> {colo.param = "attn.qkv.bias"}
// CHECK-SAME: tensor<72x12x6xf32, #s_col_row_x_> {colo.param = "attn.proj.weight"}
// CHECK-SAME: tensor<72xf32, #s_col_> {colo.param = "attn.proj.bias"}
// CHECK-SAME: tensor<288x72xf32, #s_col_row_> {colo.param = "mlp.fc.weight"}
// CHECK-SAME: tensor<288xf32, #s_col_> {colo.param = "mlp.fc.bias"}
// CHECK-SAME: tensor<72x288xf32, #s_row_col_> {colo.param = "mlp.proj.weight"}
// Statistics of norms; Y stays; heads are cut, and attention moves nothing.
// CHECK-COUNT-2: dist.all_reduce sum {{.*}} over @mesh ["col"] : (tensor<4x24xf32
// CHECK: dist.all_gather {{.*}} dim 2 over @mesh ["col"] : tensor<4x24x72xf32
// CHECK-NEXT: dist.all_gather %arg3 dim 3 over @mesh ["row"]
// CHECK-NEXT: colo.einsum {{.*}} -> tensor<4x24x3x12x6xf32, #s_row_x_x_col_x_>
// CHECK-NOT: dist.
// CHECK: colo.attention {{.*}} tensor<4x24x12x6xf32, #s_row_x_col_x_>
// X stays.
// CHECK: colo.gelu
// CHECK-NEXT: dist.all_gather %arg11 dim 0 over @mesh ["row"]
// CHECK-NEXT: colo.einsum {{.*}} -> tensor<4x24x72xf32, #s_row_x_x_sum_col_>
// CHECK: dist.reduce_scatter sum {{.*}} dim 2 over @mesh ["col"]
// CHECK: return

// Gradients of weights are complete; those of vectors wait for the end of the step.
// CHECK-LABEL: @Block.bwd
// CHECK: colo.grad {{.*}} tensor<72xf32, #s_col_sum_row_>, tensor<72xf32, #s_col_>
// CHECK: dist.reduce_scatter sum {{.*}} dim 0 over @mesh ["row"] : tensor<72x288xf32, #s_x_col_sum_row_>
// CHECK-NEXT: colo.grad {{.*}} tensor<72x288xf32, #s_row_col_>, tensor<72x288xf32, #s_row_col_>

// The table does not move for a lookup, and the logits stay.
// CHECK: colo.param @wte.weight : tensor<50x72xf32, #s_col_row_>
// CHECK-LABEL: func.func @GPT2(
// CHECK: colo.embedding {{.*}} -> tensor<4x24x72xf32, #s_x_x_row_sum_col_>
// CHECK: colo.layers
// CHECK: colo.einsum {{.*}} -> tensor<4x24x50xf32, #s_row_x_col_>
// CHECK: dist.all_reduce max {{.*}} over @mesh ["col"]
