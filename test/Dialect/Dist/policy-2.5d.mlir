// RUN: colo-opt %S/Inputs/gpt2.mlir --colo-autodiff --dist-fold-lookups --dist-pad="mode=2.5d size=8 depth=2" --colo-decompose \
// RUN:   --dist-shard="mode=2.5d size=8 depth=2" --dist-reshard-to-collectives --dist-combine-collectives --dist-verify \
// RUN:   --dist-localize | FileCheck %s

// As 2d in every plane; the batch is cut over planes as well, so gradients are summed over them.
// CHECK: dist.mesh @mesh <["dep"=2, "row"=2, "col"=2]>
// CHECK: colo.param @wte.weight : tensor<25x36xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}"col"], ["row"]]
// CHECK: colo.param @wpe.weight : tensor<24x36xf32> {{.*}}reduce = ["dep", "row"], sharding = {{\[\[}}], ["col"]]
// CHECK: colo.param @"h.#.attn.qkv.weight" : tensor<3x6x6x36xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}], ["col"], [], ["row"]]
// CHECK: colo.param @"h.#.attn.qkv.bias" : tensor<3x6x6xf32> {{.*}}reduce = ["dep", "row"]
// CHECK: colo.param @"h.#.mlp.proj.weight" : tensor<36x144xf32> {{.*}}reduce = ["dep"], sharding = {{\[\[}}"row"], ["col"]]
// CHECK-LABEL: func.func @GPT2(
// CHECK: dist.all_slice %arg0 dim 0 over @mesh ["dep"]
// CHECK: colo.embedding {{.*}} -> tensor<2x24x36xf32>
