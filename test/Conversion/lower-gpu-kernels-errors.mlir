// RUN: colo-opt %s --lower-gpu-kernels -split-input-file -verify-diagnostics

func.func private @product(%x: tensor<8x64xf32>) -> tensor<8xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%one : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  // expected-error@+1 {{result 0 is no sum and no extremum}}
  %s = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, d1)>, affine_map<(d0, d1) -> (d0)>],
                       iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x64xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.mulf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  return %s : tensor<8xf32>
}

// -----

#all = affine_map<(d0, d1) -> (d0, d1)>
// expected-error@+1 {{a row keeps 64000 bytes between its loops, more than the 48128 bytes of shared memory that a block of threads has for it}}
func.func private @long(%x: tensor<8x16000xf32>) -> tensor<8x16000xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %e = tensor.empty() : tensor<8x16000xf32>
  %k = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16000xf32>) outs(%e : tensor<8x16000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = math.exp %in : f32
    linalg.yield %a : f32
  } -> tensor<8x16000xf32>
  %r = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%k : tensor<8x16000xf32>) outs(%e : tensor<8x16000xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.negf %in : f32
    linalg.yield %a : f32
  } -> tensor<8x16000xf32>
  return %r : tensor<8x16000xf32>
}

// -----

// expected-error@+1 {{is no loop over rows}}
func.func private @straight(%p: memref<4xf32>, %begin: index, %end: index)
    attributes {rt.kernel, rt.extent = 4 : i64, rt.grain = 1 : i64} {
  return
}
func.func @host() {
  %p = rt.buffer "params" : memref<4xf32>
  rt.launch @straight() outs(%p) : () -> () outs memref<4xf32>
  return
}
