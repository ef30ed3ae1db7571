// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func private @unknown_part(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{string or keyword containing one of the following enum values for attribute 'part' [forward, dquery, dkey_dvalue]}}
  %o = rt.attention backward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @heads_that_do_not_divide(%q: tensor<2x3x4x8xf32>, %k: tensor<2x3x3x8xf32>) {
  // expected-error @+1 {{needs query [b,s,a,D], key and value [b,t,c,D], where c divides a}}
  %o, %l = rt.attention forward %q, %k, %k {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x3x8xf32>, tensor<2x3x3x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @values_of_another_type(%q: tensor<2x3x4x8xf32>, %v: tensor<2x3x4x8xf64>) {
  // expected-error @+1 {{query, key and value must have one element type, a mask i1}}
  %o, %l = rt.attention forward %q, %q, %v {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf64>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @mask_of_numbers(%q: tensor<2x3x4x8xf32>, %m: tensor<2x3xf32>) {
  // expected-error @+1 {{query, key and value must have one element type, a mask i1}}
  %o, %l = rt.attention forward %q, %q, %q mask %m {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @gradient_without_lse(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{the gradient's parts, and they alone, read lse, gradient and delta}}
  %o = rt.attention dquery %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @forward_with_lse(%q: tensor<2x3x4x8xf32>, %l: tensor<2x4x3xf32>) {
  // expected-error @+1 {{the gradient's parts, and they alone, read lse, gradient and delta}}
  %o, %l1 = rt.attention forward %q, %q, %q lse %l {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @delta_of_another_shape(%q: tensor<2x3x4x8xf32>, %l: tensor<2x4x3xf32>, %d: tensor<2x3x4xf32>) {
  // expected-error @+1 {{lse and delta must be [b,a,s], the gradient like the query}}
  %o = rt.attention dquery %q, %q, %q lse %l gradient %q delta %d {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x4x3xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @output_alone(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{results must be output and lse, dquery, or dkey and dvalue}}
  %o = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @lse_of_another_shape(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{results must be output and lse, dquery, or dkey and dvalue}}
  %o, %l = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x3x4xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @into_an_output_without_lse(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{is made into values of the results' types, one each, or none}}
  %o, %l = rt.attention forward %q, %q, %q into %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @into_a_gradient_of_another_type(%q: tensor<2x3x4x8xf32>, %l: tensor<2x4x3xf32>, %sum: tensor<2x3x4x8xf64>) {
  // expected-error @+1 {{is made into values of the results' types, one each, or none}}
  %o = rt.attention dquery %q, %q, %q lse %l gradient %q delta %l into %sum {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x4x3xf32>, tensor<2x3x4x8xf32>, tensor<2x4x3xf32>, tensor<2x3x4x8xf64>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @mask_of_rows_and_keys(%q: tensor<2x3x4x8xf32>, %m: tensor<3x2xi1>) {
  // expected-error @+1 {{mask must be [b,t]}}
  %o, %l = rt.attention forward %q, %q, %q mask %m {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<3x2xi1>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @dropout_without_numbers(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{random must be seed, instance and step where there is dropout}}
  %o, %l = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.5 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @runs_that_do_not_divide(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{needs the sizes of all positions, and runs that divide the keys}}
  %o, %l = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 2 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @sizes_of_two_dims(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{needs the sizes of all positions, and runs that divide the keys}}
  %o, %l = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @positions_of_two_dims(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{the region maps four indices to four positions}}
  %o, %l = rt.attention forward %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none : i64, i64
  }
  return
}
