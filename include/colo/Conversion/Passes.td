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

#endif // COLO_CONVERSION_PASSES_TD
