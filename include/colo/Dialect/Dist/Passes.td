//===- Passes.td - partitioning -----------------------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIST_PASSES_TD
#define DIST_PASSES_TD

include "mlir/Pass/PassBase.td"

class Dist_Pass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::colo::dist::DistDialect", "::colo::ColoDialect"];
}

class Dist_ModeOptions {
  list<Option> all = [
    Option<"mode", "mode", "std::string", "\"none\"", "parallel mode by its name in the config">,
    Option<"size", "size", "int64_t", "1", "ranks of the tensor group">,
    Option<"depth", "depth", "int64_t", "1", "depth, for modes that have one">,
    Option<"sequenceParallel", "sequence-parallel", "bool", "false", "cut the sequence between products">,
    Option<"sequenceMode", "sequence-mode", "std::string", "", "how attention looks across a sequence cut beside the mode">,
    Option<"sequenceSize", "sequence-size", "int64_t", "1", "parts of a sequence that is cut beside the mode">,
  ];
}

def FoldLookupsPass : Dist_Pass<"dist-fold-lookups"> {
  let summary = "Replace the lookup of every row of a table, in order, by the table.";
  let description = [{
    A position table is read at 0, 1, 2, …: that is the table. What follows can then cut it along the sequence, and its
    gradient is a sum, not a scatter.

    In: any global program. Out: the same. Errors: none.

    ```mlir
    %p = colo.iota {dim = 0} : tensor<32xi32>
    %e = colo.embedding %wpe, %p : tensor<32x64xf32>, tensor<32xi32> -> tensor<32x64xf32>
    // uses of %e become uses of %wpe
    ```
  }];
}

def PadPass : Dist_Pass<"dist-pad"> {
  let summary = "Pad vocabulary and class dims to a multiple of their shards.";
  let description = [{
    The dims are the rows of embedding tables and the logits of cross_entropy and correct, and every dim that shares a factor
    with one of them, through functions and parameters. `classes`, `logical_shape` and `file_shape` keep the true number.
    Padded rows and columns take part in nothing: rows start 0, the classification ops mask columns past `classes`, and where
    a contraction or the gradient of a parameter would see padding that is not 0, a mask puts the neutral element there.

    In: the differentiated program with its high-level ops. Out: the same with larger dims. Errors: a padded dim is cut
    or joined by position (a slice, a concatenation).

    ```mlir
    colo.param @wte : tensor<50257x64xf32> {logical_shape = array<i64: 50257, 64>, ...}
    // becomes, on 4 shards
    colo.param @wte : tensor<50260x64xf32> {logical_shape = array<i64: 50257, 64>, ...}
    ```
  }];
  let options = Dist_ModeOptions<>.all;
}

def ShardPass : Dist_Pass<"dist-shard"> {
  let summary = "Give every tensor a sharding, and insert reshards where producers and consumers differ.";
  let description = [{
    In program order every op gets an assignment of mesh axes to its factors: the cheapest one among those that its
    operands' layouts, the layout that its result must have and the mode suggest. Constants, positions, broadcasts and
    parameters take the layout that their first user asks for. An op with `colo.shard` = {dim, axis} gives its result cut so.
    docs/sharding.md has the rules.

    In: the decomposed differentiated program (attention still whole). Out: every tensor type has an encoding; a
    `dist.mesh`; `colo.param` has an encoded type and `reduce`. On one rank: the same program. Errors, at the user's
    location: an unknown mode; a size that does not divide, with tensor, dim, axis and the legal sizes.

    ```mlir
    %y = colo.einsum "bsh,oh->bso", %x, %w : ...
    // becomes
    %y = colo.einsum "bsh,oh->bso", %x, %w : tensor<4x8x16xf32, #whole>, tensor<64x16xf32, #cut> -> tensor<4x8x64xf32, #last>
    ```
  }];
  let options = Dist_ModeOptions<>.all;
}

def ReshardToCollectivesPass : Dist_Pass<"dist-reshard-to-collectives"> {
  let summary = "Expand every reshard into the cheapest sequence of collectives.";
  let description = [{
    Cheapest in elements that a rank sends, then in the number of collectives, by an exact search.

    In: dist.reshard. Out: none; collectives in global form. Errors: a reshard that has no sequence (a dim that does not
    divide, a complete value made partial).

    ```mlir
    %1 = dist.reshard %0 : tensor<4x8xf32, #sum_tp> -> tensor<4x8xf32, #rows_tp>
    // becomes
    %1 = dist.reduce_scatter sum %0 dim 0 over @mesh ["tp"] : ...
    ```
  }];
}

def CombineCollectivesPass : Dist_Pass<"dist-combine-collectives"> {
  let summary = "Make one message of all_reduces that can travel together.";
  let description = [{
    All_reduces of one kind and type over the same axes travel together if no product, call or other collective lies between
    them and the later needs nothing of the earlier: the sums of a softmax over cut classes, for one.

    In: collectives in global form. Out: the same with fewer all_reduces. Errors: none.

    ```mlir
    %1 = dist.all_reduce sum %a over @mesh ["tp"] : ...
    %2 = dist.all_reduce sum %b over @mesh ["tp"] : ...
    // becomes
    %1:2 = dist.all_reduce sum %a, %b over @mesh ["tp"] : ...
    ```
  }];
}

def VerifyPass : Dist_Pass<"dist-verify"> {
  let summary = "Check that a sharded program computes what the global program does.";
  let description = [{
    In: a program in global form. Out: the same. Errors: a value without sharding; an axis that the mesh does not have; a
    dim that does not divide; operands and results that do not follow from one assignment of axes to the op's factors; a
    partial value at an op that is not linear, in a return, a call or a metric; a gradient whose cuts are not its
    parameter's, or whose partial axes are not the parameter's `reduce`; a reshard.

    ```mlir
    %1 = colo.exp %0 : tensor<4xf32, #dist.shard<@mesh, [{} ], partial = sum{"tp"}>>
    // error: 'colo.exp' op needs a complete value
    ```
  }];
}

def ExpandSummaPass : Dist_Pass<"dist-expand-summa"> {
  let summary = "Expand tagged products into rounds of broadcasts, products and reductions.";
  let description = [{
    A product with `dist.algorithm = "summa"` whose operands are gathered, or whose result is scattered, along one of its factors is
    done part by part of that factor: as many rounds as a group has members, each the root once. Products that gather the
    same value next to each other share its broadcasts. docs/sharding.md has the three forms and the counts.

    With `algorithm=reference` gathers and scatters stay, one of each for every product or group that shares it: the same bytes, whole operands.

    In: a program in global or local form. Out: the same without tags; `dist.broadcast`, `dist.reduce`, products with `into`.
    Errors: an algorithm other than loop and reference.

    ```mlir
    %g = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<8x12xf32, #rows_col> -> tensor<8x12xf32, #rows>
    %y = colo.einsum "mk,kn->mn", %g, %w {dist.algorithm = "summa"} : ...
    // becomes, with 2 members
    %x0 = dist.broadcast %x dim 1 root 0 over @mesh ["col"] : tensor<8x12xf32, #rows_col> -> tensor<8x6xf32, #rows>
    %w0 = colo.slice %w ...
    %y0 = colo.einsum "mk,kn->mn", %x0, %w0 : ...
    %x1 = dist.broadcast %x dim 1 root 1 over @mesh ["col"] : ...
    %w1 = colo.slice %w ...
    %y1 = colo.einsum "mk,kn->mn", %x1, %w1 into %y0 : ...
    ```
  }];
  let options = [Option<"algorithm", "algorithm", "std::string", "\"loop\"", "loop or reference">];
}

def LocalizePass : Dist_Pass<"dist-localize"> {
  let summary = "Make shapes local.";
  let description = [{
    In: a verified program in global form. Out: no encoding; each type is the shape of one rank's part; collectives in local
    form, with the blocks of zigzag axes put in order; ops with positions have `positions` where a dim is cut; `colo.param` has `sharding`, and as its type
    one rank's part of the padded shape. A
    program without a mesh stays as it is. Errors: none.

    ```mlir
    %0 = colo.iota {dim = 1} : tensor<4x8xi32, #dist.shard<@mesh, [{}, {"tp"} ]>>
    // becomes, with 2 ranks
    %0 = colo.iota {dim = 1, positions = [{axes = [], global = 4, padded = 4}, {axes = ["tp"], global = 8, padded = 8} ]}
      : tensor<4x4xi32>
    ```
  }];
}

def ExpandRingPass : Dist_Pass<"dist-expand-ring"> {
  let summary = "Expand attention over a sequence that is cut into turns of a ring.";
  let description = [{
    Each rank keeps its rows; keys and values go round as one message, members - 1 hops, and what each turn attends to is
    merged by log-sum-exps. Backward they go round again, or the rows do, whichever is less, and the gradient of a foreign part
    follows it and goes home: 2 (members - 1) messages. On a zigzag axis causal attention computes only what the mask
    leaves, which is as much on every rank. docs/sharding.md has the counts. `algorithm=reference` gathers keys and
    values instead, for comparison.

    In: the local program, attention whole; its `positions` have axes on the keys where they are cut. Out: attention only on keys
    that the rank holds; `before` and `half` in their positions say whose part a turn works on. Four turns or more are a
    loop. Errors: a gradient without delta.

    ```mlir
    %o, %lse = colo.attention %q, %k, %v {positions = [.., {axes = ["sp"], global = 24, padded = 24} ], ..}
    // becomes, with 2 members
    %o0, %l0 = colo.attention %q, %k, %v {positions = [.., {axes = ["sp"], ..} ], ..}
    %next = dist.permute %pair from [1, 0] over @mesh ["sp"] : ..
    %o1, %l1 = colo.attention %q, %k1, %v1 {positions = [.., {axes = ["sp"], before = {turn = 1 : i64}, ..} ], ..}
    ```
  }];
  let options = [
    Option<"algorithm", "algorithm", "std::string", "\"loop\"", "loop or reference">,
    Option<"wholeHeadSize", "whole-head-size", "int64_t", "0", "attention of heads of at most so many elements adds up turns itself">];
}

def BlockAttentionPass : Dist_Pass<"dist-block-attention"> {
  let summary = "Do attention block by block: few samples at once, and of many rows few.";
  let description = [{
    Samples need nothing of each other: a round takes as many as have at most `scores` scores together, so that a target with
    caches finds them there (0: all at once). Scores of all rows at once would need memory that grows with rows times keys: a
    block has at most `rows` rows, the most that divide all; where that is less than 16, blocks are as few and as small as hold
    all, and zeros follow the rows.

    In: the local program, attention whole. Out: the same with loops (`dist.loop`), in which gradients over blocks of rows are
    decomposed; `part` in positions says that samples or rows are those of the round. Attention of heads for which the target has
    kernels that write no scores stays as it is. Errors: none.

    ```mlir
    %o, %lse = colo.attention %q, %k, %v {..} : tensor<4x512x3x8xf32>, ..
    // becomes
    %o, %lse = dist.loop %round in 4 reading (%a = %q : .., %b = %k : .., %c = %v : ..) {
      %rows = dist.part %a dim 1 number 0 plus %round : tensor<4x512x3x8xf32> -> tensor<4x128x3x8xf32>
      %p, %l = colo.attention %rows, %b, %c {..}
      dist.yield %p, %l
    } {dims = array<i64: 1, 2>} : tensor<4x512x3x8xf32>, tensor<4x3x512xf32>
    ```
  }];
  let options = [
    Option<"rows", "rows", "int64_t", "128", "rows of a block at most">,
    Option<"wholeHeadSize", "whole-head-size", "int64_t", "0", "attention of heads of at most so many elements stays whole">,
    Option<"scores", "scores", "int64_t", "0", "scores of a round at most, unless one sample has more; 0: no limit">];
}

#endif // DIST_PASSES_TD
