// RUN: colo-opt %S/Inputs/gqa.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=1d size=6" --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=1d size=6" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify \
// RUN:   | FileCheck %s
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2" | FileCheck %s --check-prefix=EVEN
// RUN: not colo-opt %t.global --dist-shard="mode=1d size=3" 2>&1 | FileCheck %s --check-prefix=ERROR

// Two key heads on six ranks: kv cuts them, rep repeats them; what is not of keys and values is cut over both.
// CHECK: dist.mesh @mesh <["kv"=2, "rep"=3]>
// CHECK-LABEL: @Block.fwd(
// CHECK-SAME: tensor<6x8x48xf32, #s_kvrep_x_x_> {colo.param = "q.weight"}
// CHECK-SAME: tensor<2x8x48xf32, #s_kv_x_x_> {colo.param = "k.weight"}
// CHECK-SAME: tensor<2x8xf32, #s_kv_x_> {colo.param = "k.bias"}
// CHECK-SAME: tensor<2x8x48xf32, #s_kv_x_x_> {colo.param = "v.weight"}
// CHECK-SAME: tensor<48x6x8xf32, #s_x_kvrep_x_> {colo.param = "o.weight"}
// CHECK-NOT: dist.
// CHECK: colo.attention {{.*}} tensor<4x24x6x8xf32, #s_x_x_kvrep_x_>, tensor<4x24x2x8xf32, #s_x_x_kv_x_>, tensor<4x24x2x8xf32, #s_x_x_kv_x_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["kv", "rep"]
// CHECK-NOT: dist.
// CHECK: return

// Gradients of keys and values stay partial over rep, through products too, until the end of the step; the gradient of the
// input is reduced once, over both axes.
// CHECK-LABEL: @Block.bwd
// CHECK: colo.attention_grad {{.*}} -> (tensor<4x24x6x8xf32, #s_x_x_kvrep_x_>, tensor<4x24x2x8xf32, #s_x_x_kv_x_sum_rep_>, tensor<4x24x2x8xf32, #s_x_x_kv_x_sum_rep_>)
// CHECK-NOT: dist.
// CHECK: colo.mul %dkey, {{.*}} tensor<4x24x2x8xf32, #s_x_x_kv_x_sum_rep_>, tensor<4x24x2x8xf32, #s_x_x_kv_x_> -> tensor<4x24x2x8xf32, #s_x_x_kv_x_sum_rep_>
// CHECK-NOT: dist.
// CHECK: colo.grad {{.*}} tensor<2x8x48xf32, #s_kv_x_x_sum_rep_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["kv", "rep"]
// CHECK-NOT: dist.
// CHECK: return
// CHECK: colo.param @"h.#.k.bias" : {{.*}} reduce = ["rep"]

// With one key head, a dim of size 1 on the way from parameter to attention, rep is all ranks, and the gradient of the input of the block is still reduced where it is made.
// RUN: sed 's/2x8x48/1x8x48/g; s/tensor<2x8x/tensor<1x8x/g; s/x24x2x/x24x1x/g; s/i64: 2, 8/i64: 1, 8/g; s/i64: 16/i64: 8/g' %S/Inputs/gqa.mlir | colo-opt --colo-autodiff \
// RUN:   --dist-fold-lookups --dist-pad="mode=1d size=3 sequence-parallel" --colo-decompose --dist-shard="mode=1d size=3 sequence-parallel" \
// RUN:   --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s --check-prefix=ONE
// ONE: dist.mesh @mesh <["rep"=3]>
// ONE: tensor<1x8x48xf32, #s_x_x_x_> {colo.param = "k.weight"}
// ONE-LABEL: @Block.bwd
// ONE: colo.attention_grad
// ONE: colo.grad {{.*}} tensor<1x8x48xf32, #s_x_x_x_sum_rep_>
// ONE: dist.reduce_scatter sum {{.*}} dim 1 over @mesh ["rep"]
// ONE-NOT: dist.
// ONE: return

// A grid, which shares no heads, cuts what is inside a key head where there is one.
// RUN: sed 's/2x8x48/1x8x48/g; s/tensor<2x8x/tensor<1x8x/g; s/x24x2x/x24x1x/g; s/i64: 2, 8/i64: 1, 8/g; s/i64: 16/i64: 8/g' %S/Inputs/gqa.mlir | colo-opt --colo-autodiff \
// RUN:   --dist-fold-lookups --dist-pad="mode=2d size=4" --colo-decompose --dist-shard="mode=2d size=4" | FileCheck %s --check-prefix=GRID
// GRID: tensor<1x8x48xf32, #s_x_row_col_> {colo.param = "k.weight"}
// GRID-SAME: tensor<1x8x48xf32, #s_x_row_col_> {colo.param = "v.weight"}

// EVEN: dist.mesh @mesh <["tp"=2]>
// EVEN: tensor<2x8x48xf32, #s_tp_x_x_> {colo.param = "k.weight"}

// ERROR: error: attention over 6 query heads and 2 key and value heads cannot be divided into 3 equal parts, the size of mesh axis "tp"
// ERROR: note: tensor sizes of mode '1d' that divide it: 1, 2, 6
