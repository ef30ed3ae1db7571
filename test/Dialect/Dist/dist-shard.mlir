// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=1d size=4" --colo-decompose \
// RUN:   --dist-shard="mode=1d size=4" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups \
// RUN:   --dist-pad="mode=1d size=4 sequence-parallel" --colo-decompose --dist-shard="mode=1d size=4 sequence-parallel" \
// RUN:   --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s --check-prefix=SP
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=1d size=1" | diff %t.global -
// RUN: colo-opt %t.global --dist-shard="mode=none" | diff %t.global -

// The layouts of a transformer block under one axis: two all_reduces forward, two backward, heads and hidden features cut,
// everything between layers whole.

// CHECK: dist.mesh @mesh <["tp"=4]>
// CHECK-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_x_x_x_>
// CHECK-SAME: tensor<3x12x6x72xf32, #s_x_tp_x_x_> {colo.param = "attn.qkv.weight"}
// CHECK-SAME: tensor<3x12x6xf32, #s_x_tp_x_> {colo.param = "attn.qkv.bias"}
// CHECK-SAME: tensor<72x12x6xf32, #s_x_tp_x_> {colo.param = "attn.proj.weight"}
// CHECK-SAME: tensor<72xf32, #s_x_> {colo.param = "attn.proj.bias"}
// CHECK-SAME: tensor<288x72xf32, #s_tp_x_> {colo.param = "mlp.fc.weight"}
// CHECK-SAME: tensor<288xf32, #s_tp_> {colo.param = "mlp.fc.bias"}
// CHECK-SAME: tensor<72x288xf32, #s_x_tp_> {colo.param = "mlp.proj.weight"}
// CHECK-NOT: dist.
// CHECK: colo.attention {{.*}} tensor<4x24x12x6xf32, #s_x_x_tp_x_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}}(tensor<4x24x72xf32, #s_x_x_x_sum_tp_>
// CHECK-NOT: dist.
// CHECK: colo.gelu {{.*}} tensor<4x24x288xf32, #s_x_x_tp_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}}(tensor<4x24x72xf32, #s_x_x_x_sum_tp_>
// CHECK-NOT: dist.
// CHECK: return

// CHECK-LABEL: @Block.bwd
// CHECK: colo.grad {{.*}} tensor<72x288xf32, #s_x_tp_>, tensor<72x288xf32, #s_x_tp_>
// CHECK: colo.grad {{.*}} tensor<288x72xf32, #s_tp_x_>, tensor<288x72xf32, #s_tp_x_>
// CHECK: dist.all_reduce sum
// CHECK: colo.grad {{.*}} tensor<72xf32, #s_x_>, tensor<72xf32, #s_x_>
// CHECK-NOT: dist.
// CHECK: colo.attention_grad
// CHECK: colo.grad {{.*}} tensor<3x12x6x72xf32, #s_x_tp_x_x_>, tensor<3x12x6x72xf32, #s_x_tp_x_x_>
// CHECK: dist.all_reduce sum
// CHECK-NOT: dist.
// CHECK: return

// Vocabulary: 50 rows padded to 52; one all_reduce of the lookup, and of maxima, of sums and target logits together.
// CHECK: colo.param @wte.weight : tensor<52x72xf32, #s_tp_x_> {{.*}} logical_shape = array<i64: 50, 72>, reduce = []
// CHECK-LABEL: @GPT2(
// CHECK: colo.embedding
// CHECK: dist.all_reduce sum
// CHECK: colo.layers @Block.fwd
// CHECK: dist.all_reduce max {{.*}}(tensor<4x24xf32
// CHECK: dist.all_reduce sum %{{.*}}, %{{.*}} over @mesh ["tp"] : (tensor<4x24xf32
// CHECK-NOT: dist.{{.*}}x52x
// CHECK: return

// With sequence parallelism each all_reduce becomes an all_gather and a reduce_scatter along the sequence; gradients of what
// is held whole are partial sums, reduced once per step; the position table is cut with the sequence.

// SP-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_x_tp_x_>
// SP: dist.all_gather {{.*}} dim 1 over @mesh ["tp"]
// SP: dist.reduce_scatter sum {{.*}} dim 1 over @mesh ["tp"]
// SP: dist.all_gather {{.*}} dim 1 over @mesh ["tp"]
// SP: dist.reduce_scatter sum {{.*}} dim 1 over @mesh ["tp"]
// SP-LABEL: @Block.bwd
// SP: colo.grad {{.*}} tensor<72xf32, #s_x_sum_tp_>, tensor<72xf32, #s_x_>
// SP-COUNT-2: dist.all_gather
// SP: dist.reduce_scatter
// SP-COUNT-2: dist.all_gather
// SP: dist.reduce_scatter
// SP-NOT: dist.
// SP: return
// SP: colo.param @wpe.weight : tensor<24x72xf32, #s_tp_x_> {{.*}} reduce = []
// SP: colo.param @"h.#.ln_1.weight" : tensor<72xf32, #s_x_> {{.*}} reduce = ["tp"]
// SP: colo.param @"h.#.attn.proj.bias" : tensor<72xf32, #s_x_> {{.*}} reduce = ["tp"]
// SP: colo.param @"h.#.mlp.fc.weight" : tensor<288x72xf32, #s_tp_x_> {{.*}} reduce = []
