// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2 sequence-size=2" --dist-reshard-to-collectives \
// RUN:   --dist-combine-collectives --dist-verify | FileCheck %s
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2 sequence-parallel sequence-size=2" --dist-reshard-to-collectives \
// RUN:   --dist-combine-collectives --dist-verify | FileCheck %s --check-prefix=SP
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2 sequence-size=2 sequence-mode=ulysses" --dist-reshard-to-collectives \
// RUN:   --dist-combine-collectives --dist-verify | FileCheck %s --check-prefix=HEADS
// RUN: not colo-opt %t.global --dist-shard="mode=1d size=2 sequence-size=4 sequence-mode=ulysses" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// A part of size 1 is not there.
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2" > %t.1d
// RUN: colo-opt %t.global --dist-shard="mode=1d size=2 sequence-size=1" | diff %t.1d -
// RUN: colo-opt %t.global --dist-shard="mode=sequence size=2" > %t.sequence
// RUN: colo-opt %t.global --dist-shard="mode=1d size=1 sequence-size=2" | diff %t.sequence -
// RUN: colo-opt %t.global --dist-shard="mode=1d size=1 sequence-size=1" | diff %t.global -

// Values between layers are cut by the sequence over sp, parameters as in 1d over tp, the result of a column product by both.
// CHECK: dist.mesh @mesh <["sp"=2, "tp"=2]> {zigzag = ["sp"]}
// CHECK-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_x_sp_x_>
// CHECK-SAME: tensor<3x12x6x72xf32, #s_x_tp_x_x_> {colo.param = "attn.qkv.weight"}
// CHECK-SAME: tensor<72x12x6xf32, #s_x_tp_x_> {colo.param = "attn.proj.weight"}
// CHECK-SAME: tensor<72x288xf32, #s_x_tp_> {colo.param = "mlp.proj.weight"}
// CHECK-NOT: dist.
// CHECK: colo.attention {{.*}} tensor<4x24x12x6xf32, #s_x_sp_tp_x_>, tensor<4x24x12x6xf32, #s_x_sp_tp_x_>, tensor<4x24x12x6xf32, #s_x_sp_tp_x_> -> tensor<4x24x12x6xf32, #s_x_sp_tp_x_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["tp"] : (tensor<4x24x72xf32, #s_x_sp_x_sum_tp_>
// CHECK-NOT: dist.
// CHECK: colo.gelu {{.*}} tensor<4x24x288xf32, #s_x_sp_tp_>
// CHECK-NOT: dist.
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["tp"] : (tensor<4x24x72xf32, #s_x_sp_x_sum_tp_>
// CHECK-NOT: dist.
// CHECK: return

// Every gradient is partial over sp as well.
// CHECK-LABEL: @Block.bwd
// CHECK: colo.grad {{.*}} tensor<72xf32, #s_x_sum_sp_>
// CHECK: colo.grad {{.*}} tensor<72x288xf32, #s_x_tp_sum_sp_>, tensor<72x288xf32, #s_x_tp_>
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["tp"] : (tensor<4x24x72xf32, #s_x_sp_x_sum_tp_>
// CHECK: colo.attention_grad
// CHECK-NOT: dist.
// CHECK: colo.grad {{.*}} tensor<3x12x6x72xf32, #s_x_tp_x_x_sum_sp_>
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["tp"] : (tensor<4x24x72xf32, #s_x_sp_x_sum_tp_>
// CHECK: return

// Logits are cut by both; their statistics are of tp, the loss of sp.
// CHECK-LABEL: @GPT2(
// CHECK: colo.einsum {{.*}} -> tensor<4x24x50xf32, #s_x_sp_tp_>
// CHECK: dist.all_reduce max {{.*}} over @mesh ["tp"] : (tensor<4x24xf32, #s_x_sp_
// CHECK: dist.all_reduce sum %{{.*}}, %{{.*}} over @mesh ["tp"] : (tensor<4x24xf32, #s_x_sp_
// CHECK: dist.all_reduce sum {{.*}} over @mesh ["sp"] : (tensor<f32

// With sequence_parallel tp cuts each part once more.
// SP-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_x_sptp_x_>
// SP: dist.all_gather {{.*}} dim 1 over @mesh ["tp"] : tensor<4x24x72xf32, #s_x_sptp_x_> -> tensor<4x24x72xf32, #s_x_sp_x_>
// SP-NOT: dist.
// SP: colo.attention {{.*}} tensor<4x24x12x6xf32, #s_x_sp_tp_x_>
// SP-NOT: dist.
// SP: dist.reduce_scatter sum {{.*}} dim 1 over @mesh ["tp"] : {{.*}} -> tensor<4x24x72xf32, #s_x_sptp_x_>
// SP-LABEL: @Block.bwd
// SP: colo.grad {{.*}} tensor<72xf32, #s_x_sum_sptp_>
// SP: colo.param @wpe.weight : tensor<24x72xf32, #s_sptp_x_> {{.*}} reduce = []

// What 1d has cut of the heads is cut once more.
// HEADS-LABEL: @Block.fwd
// HEADS: dist.all_to_all {{.*}} from 1 dim 3 over @mesh ["sp"]
// HEADS-NOT: dist.
// HEADS: colo.attention {{.*}} : tensor<4x24x12x6xf32, #s_x_x_tpsp_x_>
// HEADS-NEXT: dist.all_to_all {{.*}} from 2 dim 1 over @mesh ["sp"]

// ERROR: error: attention over 12 key and value heads cannot be divided into 8 equal parts, the size of mesh axes "tp", "sp"
// ERROR: note: tensor sizes of mode '1d' that divide it: 1, 3
