//===- Passes.td - passes on the global program -------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In the order of a compile.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_PASSES
#define COLO_DIALECT_COLO_PASSES

include "mlir/Pass/PassBase.td"

def VerifyBatchPass : Pass<"colo-verify-batch", "::mlir::ModuleOp"> {
  let summary = "Check that the loss and the metrics are sums over batch rows.";
  let description = [{
    The program is compiled for one micro-batch of one replica and run for any number of both. That is sound only if
    every metric, the loss included, is a sum of terms c * weighted_mean(values, weights): the factor of the batch (dim 0
    of the entry function's inputs) is followed through the factor map of every op, into called functions, up to
    these means.

    In: the imported program. Out: the same. Errors, at the op: a reduction, softmax, slice, concatenation or reshape that
    mixes rows; rows combined with other rows, or with values that differ from row to row and are no input; a dropout
    whose dim 0 is not the batch; weights that depend on parameters; anything but +, - and multiplication by a
    constant after a mean.

    ```mlir
    %m = colo.reduce %x {dims = array<i64: 0>, kind = 0 : i32} : tensor<4x8xf32> -> tensor<8xf32>
    // error: 'colo.reduce' depends on how the batch is split: ...
    ```
  }];
}

def MixedPrecisionPass : Pass<"colo-mixed-precision", "::mlir::ModuleOp"> {
  let summary = "Give values 16-bit floats where that is enough.";
  let description = [{
    Parameters are read as a 16-bit copy (`read_as`), and what is computed from them is of that type, but for what ops say
    of themselves (PrecisionOpInterface): statistics of norms and attention, losses, their weights and means, sums and maxima
    are f32. Elementwise ops of both types give the narrow one. What depends on no parameter and no narrow value stays f32.
    Arguments of modules are narrow, inputs of the model as they are.

    In: the imported program in f32. Out: the same with other element types and conversions. Without `type` nothing
    changes. Errors: parameters of another type than f32.

    ```mlir
    %w = colo.param_ref @w : tensor<8x16xf32>
    %y = colo.einsum "bi,io->bo", %x, %w : tensor<4x8xf32>, tensor<8x16xf32> -> tensor<4x16xf32>
    // becomes
    %w = colo.param_ref @w : tensor<8x16xbf16>
    %c = colo.convert %x : tensor<4x8xf32> -> tensor<4x8xbf16>
    %y = colo.einsum "bi,io->bo", %c, %w : tensor<4x8xbf16>, tensor<8x16xbf16> -> tensor<4x16xbf16>
    ```
  }];
  let options = [Option<"type", "type", "std::string", /*default=*/"\"\"", "bf16, f16, or nothing">,
    Option<"scaled", "scaled", "bool", /*default=*/"false", "multiply gradients by the run's loss scale">];
  let dependentDialects = ["::colo::ColoDialect"];
}

def AutodiffPass : Pass<"colo-autodiff", "::mlir::ModuleOp"> {
  let summary = "Differentiate the loss with respect to the parameters.";
  let description = [{
    The entry function is continued with its gradients. A module function @F that a gradient reaches becomes @F.fwd
    (its results, then what is saved) and @F.bwd: (gradients of results, arguments again, saved values, parameters) ->
    gradients of arguments. A run of layers goes backward as a run of @F.bwd in reverse: saved values are stacked, gradients of
    invariants are accumulated results. Each use of a parameter is one colo.grad. Gradients carry 1/N of their loss term.

    Only what the loss needs and parameters reach is differentiated. Saved are values that products (einsum, embedding,
    high-level ops) read or produce; chains of elementwise ops between them, dropout included, are computed again in the
    backward function, and so are views and the result of layer_norm from its statistics. What a call site still has
    (arguments and results of a call, invariants and stacked operands of layers) is passed again, not saved. What carries
    `colo.recompute` is computed again, products included. With `save-biased` what is saved of a product to which a bias is added
    is the sum, which is what a target writes whose products add biases.

    Two more forms are made of the entry function: role `evaluate`, without gradients and dropout, and role `count`,
    which adds the weights of every weighted_mean to its denominator. Denominators are numbered: equal weights, equal term.

    In: a program that colo-verify-batch accepts. Out: one function of each role. Errors: no metric "loss"; a loss that
    depends on no parameter; an op without gradient on a path from a parameter to the loss; a weighted_mean in a module's
    function; weights that depend on a parameter.

    ```mlir
    %y = colo.layers @B(%x) ... {count = 12}
    // becomes
    %y, %s = colo.layers @B.fwd(%x) ... {count = 12}
    %dx = colo.layers @B.bwd(%dy) ... stacked(%s) ... {count = 12, reverse}
    ```
  }];
  let options = [Option<"saveBiased", "save-biased", "bool", /*default=*/"false",
    "save products with the bias that is added to them">];
  let dependentDialects = ["::colo::ColoDialect"];
}

def DecomposePass : Pass<"colo-decompose", "::mlir::ModuleOp"> {
  let summary = "Expand high-level ops, attention aside, into elementwise ops, reductions and broadcasts.";
  let description = [{
    Partitioning then needs no rule for softmax, layer_norm, cross_entropy and their gradients: their reductions are
    reductions. Attention stays whole until shapes are local.

    In: any global program. Out: no op with DecomposeOpInterface but attention and attention_grad. Errors: a
    weighted_mean whose denominator has no number (before colo-autodiff).

    ```mlir
    %y = colo.softmax %x : tensor<4x8xf32>
    // becomes reduce max, broadcast, sub, exp, reduce sum, broadcast, div
    ```
  }];
  let dependentDialects = ["::colo::ColoDialect"];
}

def DecomposeAttentionPass : Pass<"colo-decompose-attention", "::mlir::ModuleOp"> {
  let summary = "Expand attention and its gradient on local shapes.";
  let description = [{
    Into products, a masked softmax and dropout. The attribute `positions` of [b,a,s,t] goes to the dropout, its last
    two entries to the positions that the causal mask compares.

    In: local shapes. Out: no attention and attention_grad but of heads for which the target has kernels; there
    every gradient has delta. Errors: none.

    ```mlir
    %o, %lse = colo.attention %q, %k, %v {scale = 0.125 : f64} : ...
    // becomes einsum, reduce max, exp, reduce sum, einsum, div
    ```
  }];
  let options = [Option<"wholeHeadSize", "whole-head-size", "int64_t", "0",
    "attention of heads of at most so many elements stays whole">];
  let dependentDialects = ["::colo::ColoDialect"];
}

#endif // COLO_DIALECT_COLO_PASSES
