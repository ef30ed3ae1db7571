// RUN: not colo-opt %s --fuse-epilogues=epilogues=bias,relu 2>&1 | FileCheck %s

// CHECK: error: unknown epilogue 'relu'; legal are bias, plus, sums, gelu_grad
module {}
