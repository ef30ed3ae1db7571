//===- Passes.td - from local tensors to LLVM ---------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/design.md has the order in which they run, phase by phase; `colo-compile -v` prints it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PASSES_TD
#define COLO_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def FuseEpilogues : Pass<"fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Let products add biases and residuals, sum an operand and apply gelu, its gradient and relu beside what they multiply.";
  let description = [{
    In: phase `spmd`, local shapes. Out: sums of a product, which nothing else reads, and a broadcast vector or a tensor in memory are part of
    the product, as far as `epilogues` names them. A vector must be of the last dims of the result, and of all that one operand alone brings to it.
    Sums of a product's operand over all that it contracts are another result. Gelu's gradient and gelu itself, in 16 bits, and relu are done by the
    product, which gives gelu's argument as another result where something else reads it.
    Errors: an epilogue of another name.

    ```mlir
    %y = colo.einsum "mk,nk->mn", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
    %b1 = colo.broadcast %b {dims = array<i64: 1>} : tensor<6xf32> -> tensor<8x6xf32>
    %z = colo.add %y, %b1 : tensor<8x6xf32>
    // becomes
    %z = colo.einsum "mk,nk->mn", %x, %w bias %b : tensor<8x4xf32>, tensor<6x4xf32> bias tensor<6xf32> -> tensor<8x6xf32>
    ```
  }];
  let options = [ListOption<"epilogues", "epilogues", "std::string", "What products can do: bias, plus, sums, gelu_grad, gelu, relu.">];
}

def FormKernels : Pass<"form-kernels", "::mlir::ModuleOp"> {
  let summary = "Group elementwise ops, reductions, gathers and scatters into fused kernels.";
  let description = [{
    In: host functions of one block on local static shapes: primitive `colo` ops, products, calls, collectives.
    Out: kernels (`rt.kernel`, `rt.rows`), each a function of linalg.generic loop nests over common rows, called by
    `rt.launch`. Reshape, transpose and slice of values in memory stay where a product reads them; every `colo.grad` operand
    is the single-use result of a product or a launch.
    What a row keeps between its phases has at most `row-bytes` bytes; what would be more is computed again. What one nest computes is
    bounded, so that compile time grows with the number of ops, and what is live in it at once by `registers`; what would be more is written
    to memory by one kernel and read by others.
    Errors: a high-level op that was not decomposed, a type with an encoding or a dynamic dim, several blocks.

    ```mlir
    %b1 = colo.broadcast %b {dims = array<i64: 1>} : tensor<64xf32> -> tensor<8x64xf32>
    %z = colo.add %x, %b1 : tensor<8x64xf32>
    %y = colo.gelu %z {tanh} : tensor<8x64xf32>
    // becomes
    %y = rt.launch @f.k0(%b, %x) : (tensor<64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
    ```
  }];
  let options = [Option<"rowBytes", "row-bytes", "int64_t", "0", "room for all that a row keeps between phases; 0: 64 KiB for each value">,
    Option<"registers", "registers", "int64_t", "0", "of 32 bits, that are live for one element at once; 0: any number">];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect", "::colo::rt::RtDialect"];
}

def OverlapCollectives : Pass<"overlap-collectives", "::mlir::ModuleOp"> {
  let summary = "Start collectives early and wait for them late.";
  let description = [{
    A list schedule with two resources. Work keeps its order; a collective moves up past work that it does not need, but not past the first
    work that needs an earlier collective, which bounds what is in flight to one set of results beside that in use. `dist.wait`
    stands before the first op that needs the result, if there is work in between. Kernels that only add what a collective
    brought to gradients run after the next product.

    In: phase `linalg`. Out: the same in another order, with `dist.wait`. Errors: none.

    ```mlir
    %y0 = colo.einsum "mk,kn->mn", %x0, %w : ...
    %x1 = dist.broadcast %x dim 1 root 1 over @mesh ["col"] : ...
    %y1 = colo.einsum "mk,kn->mn", %x1, %w into %y0 : ...
    // becomes, if %x0 was broadcast, too
    %x1 = dist.broadcast %x dim 1 root 1 over @mesh ["col"] : ...
    %y0 = colo.einsum "mk,kn->mn", %x0, %w : ...
    %here = dist.wait %x1 : (tensor<4x2xf32>) -> tensor<4x2xf32>
    %y1 = colo.einsum "mk,kn->mn", %here, %w into %y0 : ...
    ```
  }];
  let dependentDialects = ["::colo::dist::DistDialect"];
}

def LowerKernels : Pass<"lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn kernels into fused row loops on memrefs.";
  let description = [{
    In: kernels of loop nests on tensors or leading slices of them, with `rt.layouts` (row-major where it is missing) and `rt.accumulate`.
    Out: `(memrefs and scalars, destinations, begin, end)` with loops over the rows [begin, end) of `rt.extent`; each tensor
    is flat memory from its first element on. Rows write disjoint elements, and no result depends on how rows are split.
    Errors: an op that is no loop nest, a layout that is not strided and static.

    ```mlir
    func.func private @k(%x: tensor<8x64xf32>) -> tensor<8x64xf32> attributes {rt.kernel, rt.rows = 2 : i64}
    // becomes
    func.func private @k(%x: memref<512xf32>, %y: memref<512xf32>, %begin: index, %end: index)
      attributes {rt.kernel, rt.extent = 1 : i64, rt.grain = 1 : i64}
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def KernelMath : Pass<"kernel-math", "::mlir::ModuleOp"> {
  let summary = "Expand math functions of lowered kernels where LLVM's vectoriser needs polynomials.";
  let description = [{
    In: lowered kernels, also as gpu.func. Out: f32 exp, log, tanh, erf and the like in kernels are polynomials; other types are left to
    the C library. New arithmetic may be contracted but not reassociated: range reductions depend on its order.

    ```mlir
    %y = math.exp %x fastmath<reassoc> : f32   // becomes arith and math.fma ops
    %z = math.exp %w : f64                     // stays
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def KernelEntries : Pass<"kernel-entries", "::mlir::ModuleOp"> {
  let summary = "Give each kernel in LLVM's dialect the entry function that hosts call.";
  let description = [{
    In: kernels as `llvm.func` with pointers and scalars, then begin and end. Out: for each `@k` an `@k.entry(args, begin,
    end)`, which loads the arguments from 8-byte slots; pointers of kernels do not alias.

    ```mlir
    llvm.func @k.entry(%args: !llvm.ptr, %begin: i64, %end: i64)
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def PlanBuffers : Pass<"plan-buffers", "::mlir::ModuleOp"> {
  let summary = "Give each value of host functions a place in memory.";
  let description = [{
    In: phase `linalg`, local shapes. Out: host functions on memrefs: parameters and gradients at offsets of flat buffers
    (written to `colo.param` as `offset`, `layer_stride` and `segment`, in elements; `colo.segments` on the module),
    temporaries at offsets of the workspace, einsums as `rt.gemm`, runs of layers as loops, kernels with `rt.layouts`.
    With `row-alignment`, rows of temporaries that products read or make and kernels read have gaps behind them.
    Errors: an op that is neither a view, a product, a kernel call nor a collective in its local form.

    ```mlir
    %y = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<2x4xf32> -> tensor<8x2xf32>
    // becomes
    %y = rt.slot %workspace at 0 : memref<64xi8> to memref<8x2xf32>
    rt.gemm %x, %w, %y {sizes = array<i64: 8, 2, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 2, 1>}
      : memref<8x4xf32>, memref<2x4xf32>, memref<8x2xf32>
    ```
  }];
  let options = [Option<"rowAlignment", "row-alignment", "int64_t", "0",
    "rows of temporaries that products read or make start at multiples of so many bytes; 0: they have no gaps">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect", "::colo::rt::RtDialect"];
}

def RtVerifyBuffers : Pass<"rt-verify-buffers", "::mlir::ModuleOp"> {
  let summary = "Check that no two live values of a host function share memory and that streams wait for each other.";
  let description = [{
    In: phase `buffers`, slots of the workspace with `rt.value`. Out: the same.
    Errors: a value used after another was put into its bytes, two values of one op that overlap, a value that does not
    start at a multiple of 64 bytes; two uses of one value or argument of which one writes, or another value in its bytes, on streams
    of which the second does not wait for the first; a collective in flight at a call, the end of a round or of the function.

    ```mlir
    %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
    ```
  }];
}

def BuildStep : Pass<"build-step", "::mlir::ModuleOp"> {
  let summary = "Build the optimizer step and the evaluation around the functions of one micro-batch.";
  let description = [{
    In: phase `buffers`. Out: `@colo_step` and `@colo_evaluate`: clear gradients and metrics, count denominators over all
    micro-batches and replicas, run the micro-batches, reduce gradients on stream 1 while the last backward runs, clip by
    the global norm, update (PyTorch's SGD, Adam or AdamW, by `colo.training`). Adds `colo.metrics`, `colo.term_count` and
    `colo.workspace_bytes` to the module.
    Errors: no entry function on memrefs.

    ```mlir
    rt.gradients_ready %g over ["tp"] : memref<4096xf32>
    // becomes, on the communication stream and in the last micro-batch only
    rt.all_reduce %g, %g over ["tp"] {data_parallel, stream = 1 : i64} : memref<4096xf32>, memref<4096xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::colo::rt::RtDialect"];
}

def RtVerifyTransfers : Pass<"rt-verify-transfers", "::mlir::ModuleOp"> {
  let summary = "Check that transfers between pipeline ranks and the actions beside them touch other bytes.";
  let description = [{
    In: phase `rt`, loops over the rows of a table. Out: the same. Follows each row, with streams and events.
    Errors: an action that reads what a transfer in flight receives, or writes what it receives or sends; a transfer that
    starts before an action that uses its bytes has ended; a transfer in flight behind the last row.

    ```mlir
    rt.receive %slot from 0 {stream = 3 : i64} : memref<64xf32>
    rt.record plus %slot_number {event = 5 : i64, stream = 3 : i64, count = 2 : i64}
    rt.wait plus %slot_number {event = 5 : i64, stream = 0 : i64, count = 2 : i64} // in the row of the action that reads it
    ```
  }];
}

def SumsToLoops : Pass<"sums-to-loops", "::mlir::ModuleOp"> {
  let summary = "Add up totals of the step on the host, where it shares the device's memory.";
  let description = [{
    In: phase `rt`. Out: no `rt.sum`. Values are added one after the other, to the total where that is f64.

    ```mlir
    rt.sum %weights to %counts at 0 : memref<128xf32>, memref<2xi64>
    // becomes
    %sum = scf.for %i = %c0 to %c128 step %c1 iter_args(%s = %zero) -> (f64) { ... }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def SumsToKernels : Pass<"sums-to-kernels", "::mlir::ModuleOp"> {
  let summary = "Add up totals of the step on the device.";
  let description = [{
    In: phase `rt`. Out: no `rt.sum`, but launches of kernels of one row that lower-gpu-kernels takes, one kernel for each pair of types.

    ```mlir
    rt.sum %weights to %counts at 0 : memref<128xf32>, memref<2xi64>
    // becomes
    rt.launch @step.sum0(%weights, %c0) outs(%counts) {extent = 1 : i64} : (memref<128xf32>, index) -> () outs memref<2xi64>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::colo::rt::RtDialect"];
}

def LowerGpuKernels : Pass<"lower-gpu-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn kernels into gpu.func bodies on blocks of threads.";
  let description = [{
    In: phase `rt`, kernels as lower-kernels takes them, and the optimizer's row loops. Out: `gpu.module @colo_kernels` with one
    `gpu.func` a kernel, and for launches the kernel's declaration: `rt.extent` blocks of `rt.threads` threads. Tensors are flat memory with
    `llvm.align` bytes known from all launches. Launches of row loops get the number of rows as their last operand and blocks for
    their extent. Every sum has one order, whatever order blocks run in.
    Errors: as lower-kernels; a reduction that is no sum and no extremum; a row that keeps more than shared memory holds.

    ```mlir
    func.func private @k(%x: tensor<8x64xf32>) -> tensor<8x64xf32> attributes {rt.kernel, rt.rows = 2 : i64}
    // becomes
    gpu.func @k(%x: memref<512xf32>, %y: memref<512xf32>) kernel attributes {known_block_size = array<i32: 128, 1, 1>}
    func.func private @k(memref<512xf32>, memref<512xf32>) attributes {rt.kernel, rt.extent = 1, rt.grain = 8, rt.threads = 128}
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect"];
}

def LoadStepValues : Pass<"load-step-values", "::mlir::ModuleOp"> {
  let summary = "Let kernels read numbers of the step from the device's memory.";
  let description = [{
    In: `gpu.module @colo_kernels`. Out: what changes from step to step (`rt.inverse_count`, and the `rt.scalar` that `step_values` holds) is
    nobody's value on the host: kernels that took it take a memref and load from it. So the host never waits for a denominator, and a step's
    launches are the same in every step.
    Errors: something else than a kernel needs such a number; a kernel takes one in some launches only.

    ```mlir
    %n = rt.inverse_count {term = 0 : i64} : f64
    rt.launch @k(%n) outs(%y) : (f64) -> () outs memref<64xf32>
    // becomes
    %all = rt.buffer "inverse_counts" : memref<1xf64>
    %n = rt.slot %all at 0 : memref<1xf64> to memref<1xf64>
    rt.launch @k(%n) outs(%y) : (memref<1xf64>) -> () outs memref<64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::colo::rt::RtDialect"];
}

def EmulateGpu : Pass<"emulate-gpu", "::mlir::ModuleOp"> {
  let summary = "Run the bodies of gpu.func on the host, block by block.";
  let description = [{
    In: `gpu.module @colo_kernels`, hosts in LLVM's dialect. Out: no gpu op. A kernel whose threads do not wait for each other becomes a
    loop over blocks and threads, in the form of lower-kernels. Any other becomes the function of one thread, `@k.thread(arguments,
    shared memory, block, thread)`, and its entry hands that to `colo_emulate` of the runtime, which runs the threads of a block in
    turn, moves values at shuffles, and loads and multiplies matrices for all threads of a warp.
    Errors: a gpu or nvvm op or an intrinsic other than ids, barriers, shuffles of the whole warp, `ldmatrix` x4 and `mma` m16n8k16 of 16 bits.

    ```mlir
    gpu.barrier   // becomes
    func.call @colo_emulate_barrier(%c3_i64) : (i64) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def RtToLLVM : Pass<"rt-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower host functions to LLVM's dialect and emit the program's tables.";
  let description = [{
    In: phase `rt`, kernels lowered to row loops (they are left alone). Out: host functions as `llvm.func` that take the
    rank's frame first, read its fields by offset and call `colo_gemm`, `colo_launch` and the NCCL C interface by name;
    the constant `colo_program`. With a device other than the CPU memory is the device's: hosts launch kernels by their number in
    the program's table, `colo_clear` clears and `colo_fetch` copies what the host reads.
    Errors: an axis that the mesh lacks, a launch of something that is no lowered kernel.

    ```mlir
    rt.gemm %a, %b, %c {...} : memref<8x4xf32>, memref<2x4xf32>, memref<8x2xf32>
    // becomes
    llvm.call @colo_gemm(%frame, %index, %a, %b, %c) : (!llvm.ptr, i64, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
    ```
  }];
  let options = [Option<"device", "device", "std::string", "\"cpu\"", "The runtime's device: cpu or cuda.">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::cf::ControlFlowDialect"];
}

#endif // COLO_CONVERSION_PASSES_TD
