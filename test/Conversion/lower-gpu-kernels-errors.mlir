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

// -----

// Thirteen sums of f64 by columns, of 512 threads each.
#all = affine_map<(d0, d1) -> (d0, d1)>
#c = affine_map<(d0, d1) -> (d1)>
// expected-error@+1 {{needs 53248 bytes of shared memory for a block of threads, more than 49152}}
func.func private @many_sums(%x: tensor<100x203xf64>) -> (tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>)
    attributes {rt.kernel, rt.rows = 0 : i64} {
  %zero = arith.constant 0.0 : f64
  %e = tensor.empty() : tensor<203xf64>
  %i = linalg.fill ins(%zero : f64) outs(%e : tensor<203xf64>) -> tensor<203xf64>
  %s:13 = linalg.generic {indexing_maps = [#all, #c, #c, #c, #c, #c, #c, #c, #c, #c, #c, #c, #c, #c], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<100x203xf64>) outs(%i, %i, %i, %i, %i, %i, %i, %i, %i, %i, %i, %i, %i : tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>) {
  ^bb0(%in: f64, %o0: f64, %o1: f64, %o2: f64, %o3: f64, %o4: f64, %o5: f64, %o6: f64, %o7: f64, %o8: f64, %o9: f64, %o10: f64, %o11: f64, %o12: f64):
    %a0 = arith.addf %o0, %in : f64
    %a1 = arith.addf %o1, %in : f64
    %a2 = arith.addf %o2, %in : f64
    %a3 = arith.addf %o3, %in : f64
    %a4 = arith.addf %o4, %in : f64
    %a5 = arith.addf %o5, %in : f64
    %a6 = arith.addf %o6, %in : f64
    %a7 = arith.addf %o7, %in : f64
    %a8 = arith.addf %o8, %in : f64
    %a9 = arith.addf %o9, %in : f64
    %a10 = arith.addf %o10, %in : f64
    %a11 = arith.addf %o11, %in : f64
    %a12 = arith.addf %o12, %in : f64
    linalg.yield %a0, %a1, %a2, %a3, %a4, %a5, %a6, %a7, %a8, %a9, %a10, %a11, %a12 : f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64
  } -> (tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>)
  return %s#0, %s#1, %s#2, %s#3, %s#4, %s#5, %s#6, %s#7, %s#8, %s#9, %s#10, %s#11, %s#12 : tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>, tensor<203xf64>
}
