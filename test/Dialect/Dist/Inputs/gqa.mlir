// Attention in which three query heads read one key head, with distinct sizes: batch 4, sequence 24, 6 heads of 8 that share
// 2 key and value heads, 48 features, 50 words. The gelu stands for a norm. The halves
// of a key change places.
module attributes {colo.model = "GQA"} {
  func.func private @Block(%x: tensor<4x24x48xf32>, %wq: tensor<6x8x48xf32> {colo.param = "q.weight"}, %wk: tensor<2x8x48xf32> {colo.param = "k.weight"}, %bk: tensor<2x8xf32> {colo.param = "k.bias"}, %wv: tensor<2x8x48xf32> {colo.param = "v.weight"}, %wo: tensor<48x6x8xf32> {colo.param = "o.weight"}) -> tensor<4x24x48xf32> {
    %n = colo.gelu %x : tensor<4x24x48xf32>
    %q = colo.einsum "abc,efc->abef", %n, %wq : tensor<4x24x48xf32>, tensor<6x8x48xf32> -> tensor<4x24x6x8xf32>
    %k0 = colo.einsum "abc,efc->abef", %n, %wk : tensor<4x24x48xf32>, tensor<2x8x48xf32> -> tensor<4x24x2x8xf32>
    %b = colo.broadcast %bk {dims = array<i64: 2, 3>} : tensor<2x8xf32> -> tensor<4x24x2x8xf32>
    %k1 = colo.add %k0, %b : tensor<4x24x2x8xf32>
    %s = colo.constant 5.000000e-01 : tensor<4x24x2x8xf32>
    %halves = colo.reshape %k1 : tensor<4x24x2x8xf32> -> tensor<4x24x2x2x4xf32>
    %h0 = colo.slice %halves {offsets = array<i64: 0, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<4x24x2x2x4xf32> -> tensor<4x24x2x1x4xf32>
    %h1 = colo.slice %halves {offsets = array<i64: 0, 0, 0, 1, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<4x24x2x2x4xf32> -> tensor<4x24x2x1x4xf32>
    %turned = colo.concat %h1, %h0 {dim = 3 : i64} : (tensor<4x24x2x1x4xf32>, tensor<4x24x2x1x4xf32>) -> tensor<4x24x2x2x4xf32>
    %k2 = colo.reshape %turned : tensor<4x24x2x2x4xf32> -> tensor<4x24x2x8xf32>
    %k = colo.mul %k2, %s : tensor<4x24x2x8xf32>
    %v = colo.einsum "abc,efc->abef", %n, %wv : tensor<4x24x48xf32>, tensor<2x8x48xf32> -> tensor<4x24x2x8xf32>
    %o, %lse = colo.attention %q, %k, %v {causal, dropout = 1.000000e-01 : f64, id = 1 : i64, scale = 0.35 : f64} : tensor<4x24x6x8xf32>, tensor<4x24x2x8xf32>, tensor<4x24x2x8xf32> -> tensor<4x24x6x8xf32>, tensor<4x6x24xf32>
    %y = colo.einsum "abcd,ecd->abe", %o, %wo : tensor<4x24x6x8xf32>, tensor<48x6x8xf32> -> tensor<4x24x48xf32>
    %z = colo.add %x, %y : tensor<4x24x48xf32>
    return %z : tensor<4x24x48xf32>
  }
  colo.param @wte.weight : tensor<50x48xf32> {file_shape = array<i64: 50, 48>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, logical_shape = array<i64: 50, 48>}
  colo.param @"h.#.q.weight" : tensor<6x8x48xf32> {file_shape = array<i64: 48, 48>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 6, 8, 48>}
  colo.param @"h.#.k.weight" : tensor<2x8x48xf32> {file_shape = array<i64: 16, 48>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 2, 8, 48>}
  colo.param @"h.#.k.bias" : tensor<2x8xf32> {file_shape = array<i64: 16>, init = #colo.init<zeros, 0.000000e+00 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 2, 8>}
  colo.param @"h.#.v.weight" : tensor<2x8x48xf32> {file_shape = array<i64: 16, 48>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 2, 8, 48>}
  colo.param @"h.#.o.weight" : tensor<48x6x8xf32> {file_shape = array<i64: 48, 48>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 48, 6, 8>}
  func.func @GQA(%tokens: tensor<4x24xi32> {colo.classes = 50 : i64, colo.input = "tokens"}, %targets: tensor<4x24xi32> {colo.classes = 50 : i64, colo.ignore_index = -100 : i64, colo.input = "targets"}) attributes {colo.role = "entry"} {
    %wte = colo.param_ref @wte.weight : tensor<50x48xf32>
    %x = colo.embedding %wte, %tokens : tensor<50x48xf32>, tensor<4x24xi32> -> tensor<4x24x48xf32>
    %y = colo.layers @Block(%x) invariants() stacked() params [@"h.#.q.weight", @"h.#.k.weight", @"h.#.k.bias", @"h.#.v.weight", @"h.#.o.weight"] {count = 2 : i64} : (tensor<4x24x48xf32>) () () -> (tensor<4x24x48xf32>) () ()
    %logits = colo.einsum "abc,dc->abd", %y, %wte : tensor<4x24x48xf32>, tensor<50x48xf32> -> tensor<4x24x50xf32>
    %losses, %weights, %lse = colo.cross_entropy %logits, %targets {classes = 50 : i64, ignore_index = -100 : i64, label_smoothing = 0.000000e+00 : f64} : tensor<4x24x50xf32>, tensor<4x24xi32> -> tensor<4x24xf32>, tensor<4x24xf32>, tensor<4x24xf32>
    %loss = colo.weighted_mean %losses, %weights : tensor<4x24xf32>, tensor<4x24xf32> -> tensor<f32>
    colo.metric "loss", %loss : tensor<f32>
    return
  }
}
