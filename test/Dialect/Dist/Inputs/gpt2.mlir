// A GPT-2 of two layers with distinct sizes, as the frontend imports it: batch 4, sequence 24, 12 heads of 6, 50 words.
module attributes {colo.model = "GPT2"} {
  func.func private @Block(%arg0: tensor<4x24x72xf32>, %arg1: tensor<72xf32> {colo.param = "ln_1.weight"}, %arg2: tensor<72xf32> {colo.param = "ln_1.bias"}, %arg3: tensor<3x12x6x72xf32> {colo.param = "attn.qkv.weight"}, %arg4: tensor<3x12x6xf32> {colo.param = "attn.qkv.bias"}, %arg5: tensor<72x12x6xf32> {colo.param = "attn.proj.weight"}, %arg6: tensor<72xf32> {colo.param = "attn.proj.bias"}, %arg7: tensor<72xf32> {colo.param = "ln_2.weight"}, %arg8: tensor<72xf32> {colo.param = "ln_2.bias"}, %arg9: tensor<288x72xf32> {colo.param = "mlp.fc.weight"}, %arg10: tensor<288xf32> {colo.param = "mlp.fc.bias"}, %arg11: tensor<72x288xf32> {colo.param = "mlp.proj.weight"}, %arg12: tensor<72xf32> {colo.param = "mlp.proj.bias"}) -> tensor<4x24x72xf32> {
    %result, %mean, %rstd = colo.layer_norm %arg0 {eps = 1.000000e-05 : f64} : tensor<4x24x72xf32> -> tensor<4x24x72xf32>, tensor<4x24xf32>, tensor<4x24xf32>
    %0 = colo.broadcast %arg1 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %1 = colo.mul %result, %0 : tensor<4x24x72xf32>
    %2 = colo.broadcast %arg2 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %3 = colo.add %1, %2 : tensor<4x24x72xf32>
    %4 = colo.einsum "abc,defc->abdef", %3, %arg3 : tensor<4x24x72xf32>, tensor<3x12x6x72xf32> -> tensor<4x24x3x12x6xf32>
    %5 = colo.broadcast %arg4 {dims = array<i64: 2, 3, 4>} : tensor<3x12x6xf32> -> tensor<4x24x3x12x6xf32>
    %6 = colo.add %4, %5 : tensor<4x24x3x12x6xf32>
    %7 = colo.slice %6 {offsets = array<i64: 0, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<4x24x3x12x6xf32> -> tensor<4x24x1x12x6xf32>
    %8 = colo.reshape %7 : tensor<4x24x1x12x6xf32> -> tensor<4x24x12x6xf32>
    %9 = colo.slice %6 {offsets = array<i64: 0, 0, 1, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<4x24x3x12x6xf32> -> tensor<4x24x1x12x6xf32>
    %10 = colo.reshape %9 : tensor<4x24x1x12x6xf32> -> tensor<4x24x12x6xf32>
    %11 = colo.slice %6 {offsets = array<i64: 0, 0, 2, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<4x24x3x12x6xf32> -> tensor<4x24x1x12x6xf32>
    %12 = colo.reshape %11 : tensor<4x24x1x12x6xf32> -> tensor<4x24x12x6xf32>
    %result_0, %lse = colo.attention %8, %10, %12 {causal, dropout = 1.000000e-01 : f64, id = 1 : i64, scale = 0.40824829046386307 : f64} : tensor<4x24x12x6xf32>, tensor<4x24x12x6xf32>, tensor<4x24x12x6xf32> -> tensor<4x24x12x6xf32>, tensor<4x12x24xf32>
    %13 = colo.einsum "abcd,ecd->abe", %result_0, %arg5 : tensor<4x24x12x6xf32>, tensor<72x12x6xf32> -> tensor<4x24x72xf32>
    %14 = colo.broadcast %arg6 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %15 = colo.add %13, %14 : tensor<4x24x72xf32>
    %16 = colo.dropout %15 {id = 2 : i64, rate = 1.000000e-01 : f64} : tensor<4x24x72xf32>
    %17 = colo.add %arg0, %16 : tensor<4x24x72xf32>
    %result_1, %mean_2, %rstd_3 = colo.layer_norm %17 {eps = 1.000000e-05 : f64} : tensor<4x24x72xf32> -> tensor<4x24x72xf32>, tensor<4x24xf32>, tensor<4x24xf32>
    %18 = colo.broadcast %arg7 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %19 = colo.mul %result_1, %18 : tensor<4x24x72xf32>
    %20 = colo.broadcast %arg8 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %21 = colo.add %19, %20 : tensor<4x24x72xf32>
    %22 = colo.einsum "abc,dc->abd", %21, %arg9 : tensor<4x24x72xf32>, tensor<288x72xf32> -> tensor<4x24x288xf32>
    %23 = colo.broadcast %arg10 {dims = array<i64: 2>} : tensor<288xf32> -> tensor<4x24x288xf32>
    %24 = colo.add %22, %23 : tensor<4x24x288xf32>
    %25 = colo.gelu %24 {tanh} : tensor<4x24x288xf32>
    %26 = colo.einsum "abc,dc->abd", %25, %arg11 : tensor<4x24x288xf32>, tensor<72x288xf32> -> tensor<4x24x72xf32>
    %27 = colo.broadcast %arg12 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %28 = colo.add %26, %27 : tensor<4x24x72xf32>
    %29 = colo.dropout %28 {id = 3 : i64, rate = 1.000000e-01 : f64} : tensor<4x24x72xf32>
    %30 = colo.add %17, %29 : tensor<4x24x72xf32>
    return %30 : tensor<4x24x72xf32>
  }
  colo.param @wte.weight : tensor<50x72xf32> {file_shape = array<i64: 50, 72>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, logical_shape = array<i64: 50, 72>}
  colo.param @wpe.weight : tensor<24x72xf32> {file_shape = array<i64: 24, 72>, init = #colo.init<normal, 2.000000e-02 : f64, 0.000000e+00 : f64>, logical_shape = array<i64: 24, 72>}
  colo.param @"h.#.ln_1.weight" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<ones, 1.000000e+00 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @"h.#.ln_1.bias" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<zeros, 0.000000e+00 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @"h.#.attn.qkv.weight" : tensor<3x12x6x72xf32> {file_shape = array<i64: 216, 72>, init = #colo.init<uniform, -0.11785113019775791 : f64, 0.11785113019775791 : f64>, layers = 2 : i64, logical_shape = array<i64: 3, 12, 6, 72>}
  colo.param @"h.#.attn.qkv.bias" : tensor<3x12x6xf32> {file_shape = array<i64: 216>, init = #colo.init<uniform, -0.11785113019775793 : f64, 0.11785113019775793 : f64>, layers = 2 : i64, logical_shape = array<i64: 3, 12, 6>}
  colo.param @"h.#.attn.proj.weight" : tensor<72x12x6xf32> {file_shape = array<i64: 72, 72>, init = #colo.init<uniform, -0.11785113019775791 : f64, 0.11785113019775791 : f64>, layers = 2 : i64, logical_shape = array<i64: 72, 12, 6>}
  colo.param @"h.#.attn.proj.bias" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<uniform, -0.11785113019775793 : f64, 0.11785113019775793 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @"h.#.ln_2.weight" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<ones, 1.000000e+00 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @"h.#.ln_2.bias" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<zeros, 0.000000e+00 : f64, 0.000000e+00 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @"h.#.mlp.fc.weight" : tensor<288x72xf32> {file_shape = array<i64: 288, 72>, init = #colo.init<uniform, -0.11785113019775791 : f64, 0.11785113019775791 : f64>, layers = 2 : i64, logical_shape = array<i64: 288, 72>}
  colo.param @"h.#.mlp.fc.bias" : tensor<288xf32> {file_shape = array<i64: 288>, init = #colo.init<uniform, -0.11785113019775793 : f64, 0.11785113019775793 : f64>, layers = 2 : i64, logical_shape = array<i64: 288>}
  colo.param @"h.#.mlp.proj.weight" : tensor<72x288xf32> {file_shape = array<i64: 72, 288>, init = #colo.init<uniform, -0.058925565098878953 : f64, 0.058925565098878953 : f64>, layers = 2 : i64, logical_shape = array<i64: 72, 288>}
  colo.param @"h.#.mlp.proj.bias" : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<uniform, -0.058925565098878967 : f64, 0.058925565098878967 : f64>, layers = 2 : i64, logical_shape = array<i64: 72>}
  colo.param @ln_f.weight : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<ones, 1.000000e+00 : f64, 0.000000e+00 : f64>, logical_shape = array<i64: 72>}
  colo.param @ln_f.bias : tensor<72xf32> {file_shape = array<i64: 72>, init = #colo.init<zeros, 0.000000e+00 : f64, 0.000000e+00 : f64>, logical_shape = array<i64: 72>}
  func.func @GPT2(%arg0: tensor<4x24xi32> {colo.classes = 50 : i64, colo.input = "tokens"}, %arg1: tensor<4x24xi32> {colo.classes = 50 : i64, colo.ignore_index = -100 : i64, colo.input = "targets"}) attributes {colo.role = "entry"} {
    %0 = colo.param_ref @wte.weight : tensor<50x72xf32>
    %1 = colo.param_ref @wpe.weight : tensor<24x72xf32>
    %2 = colo.param_ref @ln_f.weight : tensor<72xf32>
    %3 = colo.param_ref @ln_f.bias : tensor<72xf32>
    %4 = colo.embedding %0, %arg0 : tensor<50x72xf32>, tensor<4x24xi32> -> tensor<4x24x72xf32>
    %5 = colo.broadcast %1 {dims = array<i64: 1, 2>} : tensor<24x72xf32> -> tensor<4x24x72xf32>
    %6 = colo.add %4, %5 : tensor<4x24x72xf32>
    %7 = colo.dropout %6 {id = 0 : i64, rate = 1.000000e-01 : f64} : tensor<4x24x72xf32>
    %carriedOut = colo.layers @Block(%7) invariants() stacked() params [@"h.#.ln_1.weight", @"h.#.ln_1.bias", @"h.#.attn.qkv.weight", @"h.#.attn.qkv.bias", @"h.#.attn.proj.weight", @"h.#.attn.proj.bias", @"h.#.ln_2.weight", @"h.#.ln_2.bias", @"h.#.mlp.fc.weight", @"h.#.mlp.fc.bias", @"h.#.mlp.proj.weight", @"h.#.mlp.proj.bias"] {count = 2 : i64} : (tensor<4x24x72xf32>) () () -> (tensor<4x24x72xf32>) () ()
    %result, %mean, %rstd = colo.layer_norm %carriedOut {eps = 1.000000e-05 : f64} : tensor<4x24x72xf32> -> tensor<4x24x72xf32>, tensor<4x24xf32>, tensor<4x24xf32>
    %8 = colo.broadcast %2 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %9 = colo.mul %result, %8 : tensor<4x24x72xf32>
    %10 = colo.broadcast %3 {dims = array<i64: 2>} : tensor<72xf32> -> tensor<4x24x72xf32>
    %11 = colo.add %9, %10 : tensor<4x24x72xf32>
    %12 = colo.einsum "abc,dc->abd", %11, %0 : tensor<4x24x72xf32>, tensor<50x72xf32> -> tensor<4x24x50xf32>
    %losses, %weights, %lse = colo.cross_entropy %12, %arg1 {classes = 50 : i64, ignore_index = -100 : i64, label_smoothing = 0.000000e+00 : f64} : tensor<4x24x50xf32>, tensor<4x24xi32> -> tensor<4x24xf32>, tensor<4x24xf32>, tensor<4x24xf32>
    %13 = colo.weighted_mean %losses, %weights : tensor<4x24xf32>, tensor<4x24xf32> -> tensor<f32>
    colo.metric "loss", %13 : tensor<f32>
    return
  }
}

