// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=2.5d size=8 depth=2" --colo-decompose \
// RUN:   --dist-shard="mode=2.5d size=8 depth=2" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify \
// RUN:   --dist-localize | FileCheck %s

// As 2d in every plane; the batch is cut over planes as well, so gradients are summed over them. A plane has 48 tokens of 72 features: weights
// stay, and the axes of rows and features change places from product to product. Only the table's own product is as ever.
// CHECK: dist.mesh @mesh <["dep"=2, "row"=2, "col"=2]>
// CHECK-LABEL: func.func private @Block.fwd(%arg0: tensor<1x24x36xf32>
// CHECK: dist.all_gather {{.*}} dim 0 over @mesh ["row"] : tensor<1x24x36xf32>
// CHECK-NEXT: colo.einsum {{.*}}summa{{.*}} -> tensor<2x24x3x6x6xf32>
// CHECK: dist.reduce_scatter sum {{.*}} dim 0 over @mesh ["col"] : tensor<2x24x3x6x6xf32>
// CHECK-NOT: dist.
// CHECK: colo.attention {{.*}}positions = [{axes = ["dep", "col"], {{.*}}}, {axes = ["row"]
// CHECK-NEXT: dist.all_gather {{.*}} dim 0 over @mesh ["col"] : tensor<1x24x6x6xf32>
// CHECK-NEXT: colo.einsum {{.*}}summa{{.*}} -> tensor<2x24x36xf32>
// CHECK: dist.reduce_scatter sum {{.*}} dim 0 over @mesh ["row"] : tensor<2x24x36xf32>

// CHECK: colo.param @wte.weight : tensor<25x36xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}"col"], ["row"]]
// CHECK: colo.param @wpe.weight : tensor<24x36xf32> {{.*}}reduce = ["dep", "row"], sharding = {{\[\[}}], ["col"]]
// CHECK: colo.param @"h.#.attn.qkv.weight" : tensor<3x6x6x36xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}], ["row"], [], ["col"]]
// CHECK: colo.param @"h.#.attn.qkv.bias" : tensor<3x6x6xf32> {{.*}}reduce = ["dep", "col"]
// CHECK: colo.param @"h.#.attn.proj.weight" : tensor<36x6x6xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}"col"], ["row"], []]
// CHECK: colo.param @"h.#.mlp.proj.weight" : tensor<36x144xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}"col"], ["row"]]
// CHECK-LABEL: func.func @GPT2(
// CHECK: dist.all_slice %arg0 dim 0 over @mesh ["dep"]
// CHECK: colo.embedding {{.*}} -> tensor<2x24x36xf32>
