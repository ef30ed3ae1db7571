// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func private @unknown_part(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{unknown part 'backward'; legal are forward, dquery and dkey_dvalue}}
  %o = rt.attention "backward" %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @gradient_without_lse(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{the gradient's parts, and they alone, read lse, gradient and delta}}
  %o = rt.attention "dquery" %q, %q, %q {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
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
  %o, %l = rt.attention "forward" %q, %k, %k {scale = 0.5 : f64, dropout = 0.0 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x3x8xf32>, tensor<2x3x3x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}

// -----

func.func private @dropout_without_numbers(%q: tensor<2x3x4x8xf32>) {
  // expected-error @+1 {{random must be seed, instance and step where there is dropout}}
  %o, %l = rt.attention "forward" %q, %q, %q {scale = 0.5 : f64, dropout = 0.5 : f64, sizes = array<i64: 2, 4, 3, 3>, run = 3 : i64}
    : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> (tensor<2x3x4x8xf32>, tensor<2x4x3xf32>) {
  ^bb0(%b: index, %a: index, %s: index, %t: index):
    %none = arith.constant 0 : i64
    rt.yield %none, %none, %none, %none : i64, i64, i64, i64
  }
  return
}
