// RUN: not colo-opt %s --fuse-epilogues=epilogues=bias,tanh 2>&1 | FileCheck %s

// CHECK: error: unknown epilogue 'tanh'; legal are bias, plus, sums, gelu_grad, gelu, relu
module {}
