// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --colo-decompose --dist-shard="mode=sequence size=4" \
// RUN:   --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s --check-prefixes=CHECK,RING
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --colo-decompose --dist-shard="mode=ulysses size=4" \
// RUN:   --dist-reshard-to-collectives --dist-combine-collectives --dist-verify | FileCheck %s --check-prefixes=CHECK,HEADS
// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --colo-decompose > %t.global
// RUN: colo-opt %t.global --dist-shard="mode=sequence size=1" | diff %t.global -
// RUN: not colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --colo-decompose --dist-shard="mode=ulysses size=8" 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// Everything is cut along the sequence, parameters are whole, and nothing but attention moves anything.
// Causal: the ring is zigzag, an exchange of heads is not.
// RING: dist.mesh @mesh <["sp"=4]> {zigzag = ["sp"]}
// HEADS: dist.mesh @mesh <["sp"=4]>{{$}}
// CHECK-LABEL: @Block.fwd(%arg0: tensor<4x24x72xf32, #s_x_sp_x_>
// CHECK-SAME: tensor<3x12x6x72xf32, #s_x_x_x_x_> {colo.param = "attn.qkv.weight"}
// RING-NOT: dist.
// RING: colo.attention {{.*}} : tensor<4x24x12x6xf32, #s_x_sp_x_x_>, tensor<4x24x12x6xf32, #s_x_sp_x_x_>, tensor<4x24x12x6xf32, #s_x_sp_x_x_> -> tensor<4x24x12x6xf32, #s_x_sp_x_x_>, tensor<4x12x24xf32, #s_x_x_sp_>
// RING-NOT: dist.
// HEADS-NOT: dist.
// Queries, keys and values go over as one, which is saved so.
// HEADS: %[[QKV:.*]] = dist.all_to_all {{.*}} from 1 dim 3
// HEADS-NOT: dist.
// HEADS: colo.attention {{.*}} : tensor<4x24x12x6xf32, #s_x_x_sp_x_>
// HEADS-NEXT: dist.all_to_all {{.*}} from 2 dim 1
// HEADS-NOT: dist.
// HEADS: return {{.*}}%[[QKV]]
// RING: return

// CHECK-LABEL: @Block.bwd
// CHECK: colo.grad {{.*}} tensor<72x288xf32, #s_x_x_sum_sp_>, tensor<72x288xf32, #s_x_x_>
// CHECK: colo.grad {{.*}} tensor<72x12x6xf32, #s_x_x_x_sum_sp_>
// The gradient of the output goes over, those of queries, keys and values come back.
// HEADS: dist.all_to_all {{.*}} from 1 dim 2
// HEADS-NOT: dist.
// CHECK: colo.attention_grad
// RING-NOT: dist.
// HEADS-COUNT-3: dist.all_to_all {{.*}} from 2 dim 1
// HEADS-NOT: dist.
// CHECK: colo.grad {{.*}} tensor<3x12x6x72xf32, #s_x_x_x_x_sum_sp_>
// CHECK: return

// The position table is cut with the sequence.
// CHECK: colo.param @wte.weight : tensor<50x72xf32, #s_x_x_> {{.*}} reduce = ["sp"]
// CHECK: colo.param @wpe.weight : tensor<24x72xf32, #s_sp_x_> {{.*}} reduce = []

// ERROR: error: attention over 12 key and value heads cannot be divided into 8 equal parts, the size of mesh axis "sp"
// ERROR: note: tensor sizes of mode 'ulysses' that divide it: 1, 2, 3, 4, 6, 12
