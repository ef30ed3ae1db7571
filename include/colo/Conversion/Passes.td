//===- Passes.td - from local tensors to LLVM ---------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In the order in which they run: form-kernels, plan-buffers, lower-kernels,
// build-step, rt-to-llvm.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PASSES_TD
#define COLO_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def PlanBuffers : Pass<"plan-buffers", "::mlir::ModuleOp"> {
  let summary = "Give each value of host functions a place in memory.";
  let description = [{
    In: phase `linalg`, local shapes. Out: host functions on memrefs: parameters and gradients at offsets of flat buffers
    (written to `colo.param` as `offset`, `layer_stride` and `segment`, in elements; `colo.segments` on the module),
    temporaries at offsets of the workspace, einsums as `rt.gemm`, runs of layers as loops, kernels with `rt.layouts`.
    Errors: an op that is neither a view, a product, a kernel call nor a collective in its local form.

    ```mlir
    %y = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<2x4xf32> -> tensor<8x2xf32>
    // becomes
    %y = rt.slot %workspace at 0 : memref<64xi8> to memref<8x2xf32>
    rt.gemm %x, %w, %y {sizes = array<i64: 8, 2, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 2, 1>}
      : memref<8x4xf32>, memref<2x4xf32>, memref<8x2xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect", "::colo::rt::RtDialect"];
}

#endif // COLO_CONVERSION_PASSES_TD
