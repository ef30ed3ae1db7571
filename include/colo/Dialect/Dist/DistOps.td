//===- DistOps.td - meshes, shardings, collectives ----------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DIST_OPS_TD
#define DIST_OPS_TD

include "colo/Dialect/Colo/ColoInterfaces.td"
include "colo/Dialect/Dist/DistInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::colo::dist";
  let summary = "Who holds what, and what moves: a mesh of ranks, shardings of tensors over its axes, collectives.";
  let description = [{
    A mesh names the axes of the ranks of one tensor group, major to minor: rank = mixed-radix number of the coordinates.
    A sharding lists, for each dim of a tensor, the axes that cut it, major to minor, and the axes over which the value is
    still a partial sum (or maximum). An axis that a sharding does not mention holds copies.

    Each collective has one name in two forms. In the global form operand and result have whole shapes and carry
    `#dist.shard` encodings, and the verifier computes the result's sharding again. In the local form, after
    `dist-localize`, types are plain and local, and the attributes say what is done.

    The group of a collective over `axes` is all ranks that agree on every other axis; its members are numbered by their
    coordinates on `axes`, major to minor. Where a dim is cut or put together, member i holds the i-th part.

    `dist.algorithm = "summa"` on a colo.einsum tags a product that `dist-expand-summa` may do in rounds.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let dependentDialects = ["::colo::ColoDialect"];
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

/// The colo dialect's enumeration, declared again because including its ops
/// here would generate them twice.
def Dist_ReduceKind : I32EnumAttr<"ReduceKind", "reduction", [
  I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Max", 1, "max">]> {
  let cppNamespace = "::colo";
}

def Dist_ShardAttr : AttrDef<Dist_Dialect, "Shard",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "shard";
  let summary = "which mesh axes cut each dim of a tensor, and over which axes it is partial";
  let description = [{
    ```mlir
    #dist.shard<@mesh, [{"dep","row"}, {}, {"col"} ], partial = sum{"wt"}>
    ```
    `dims` has an array of axis names for each dim, `partial` an array of axis names in mesh order. An axis occurs once.
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$mesh, "::mlir::ArrayAttr":$dims, "::mlir::ArrayAttr":$partial,
    "::colo::ReduceKind":$kind);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Mesh
//===----------------------------------------------------------------------===//

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits>;

def Dist_MeshOp : Dist_Op<"mesh", [Symbol]> {
  let summary = "The ranks of one tensor group, as a grid with named axes, major to minor.";
  let description = [{
    ```mlir
    dist.mesh @mesh <["row"=2, "col"=2]>
    dist.mesh @mesh <["sp"=4]> {zigzag = ["sp"]}
    ```
    The parts that an axis gives to its n members are contiguous. Those of a zigzag axis are two blocks of 2n: member i holds
    block i, then block 2n-1-i.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$axes, DenseI64ArrayAttr:$sizes,
    OptionalAttr<StrArrayAttr>:$zigzag);
  let assemblyFormat = "$sym_name custom<Axes>($axes, $sizes) attr-dict";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

/// Ops of groups, and those of them that send.
class Dist_GroupOp<string mnemonic, list<Trait> traits>
    : Dist_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>], traits)>;
class Dist_CollectiveOp<string mnemonic, list<Trait> traits = []>
    : Dist_GroupOp<mnemonic, !listconcat([CollectiveOpInterface], traits)>;

def Dist_AllGatherOp : Dist_CollectiveOp<"all_gather"> {
  let summary = "Puts together the parts of `dim` that the members of the group over `axes` hold.";
  let description = [{
    Global: `axes` are the minor-most axes of `dim`, which loses them. Local: the result's `dim` is the operand's times the
    size of the group; member i's operand is the i-th part of every member's result.
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `dim` $dim `over` $mesh $axes attr-dict `:` type($input) `->` type($result)";
}

def Dist_AllSliceOp : Dist_GroupOp<"all_slice", [ViewOpInterface]> {
  let summary = "Keeps each member's part of `dim`; nothing is sent.";
  let description = [{
    Global: `axes` become the minor-most axes of `dim`. Local: the result's `dim` is the operand's divided by the size of the
    group; member i keeps the i-th part. With `blocks`, a local form only, the result's `dim` is one block of the operand's, and
    member i keeps block `blocks[i]`.
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$dim, FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes,
    OptionalAttr<DenseI64ArrayAttr>:$blocks);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `dim` $dim `over` $mesh $axes attr-dict `:` type($input) `->` type($result)";
}

def Dist_AllReduceOp : Dist_CollectiveOp<"all_reduce"> {
  let summary = "The sum or maximum over the group, on every member, of each operand.";
  let description = [{
    Global: the operands are partial of `kind` over `axes` (and perhaps more); the results are not partial over them.
    Local: result types are the operands'. Several operands travel as one message.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, Dist_ReduceKind:$kind, FlatSymbolRefAttr:$mesh,
    StrArrayAttr:$axes);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let assemblyFormat = "$kind $inputs `over` $mesh $axes attr-dict `:` functional-type($inputs, $outputs)";
}

def Dist_ReduceScatterOp : Dist_CollectiveOp<"reduce_scatter"> {
  let summary = "The sum or maximum over the group, of which member i keeps the i-th part of `dim`.";
  let description = [{
    Global: the operand is partial over `axes`; the result is not, and has `axes` as the minor-most of `dim`.
    Local: the result's `dim` is the operand's divided by the size of the group.
  }];
  let arguments = (ins AnyRankedTensor:$input, Dist_ReduceKind:$kind, I64Attr:$dim, FlatSymbolRefAttr:$mesh,
    StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$kind $input `dim` $dim `over` $mesh $axes attr-dict `:` type($input) `->` type($result)";
}

def Dist_AllToAllOp : Dist_CollectiveOp<"all_to_all"> {
  let summary = "Moves the cut from dim `from` to dim `dim`.";
  let description = [{
    Global: `axes` are the minor-most axes of `from`, which loses them, and become the minor-most of `dim`. Local: each member
    cuts its operand along `dim` into as many parts as the group has members, sends part i to member i, and puts what
    it receives together along `from` in the order of the senders.
  }];
  let arguments = (ins AnyRankedTensor:$input, I64Attr:$from, I64Attr:$dim, FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $from `dim` $dim `over` $mesh $axes attr-dict `:` type($input) `->` type($result)";
}

def Dist_PermuteOp : Dist_CollectiveOp<"permute"> {
  let summary = "Each member of the group sends its whole operand to one member and receives from one.";
  let description = [{
    Changes which axes cut a dim, or their order, without changing the size of a part. Member i receives the operand
    of member `sources[i]` (itself: nothing is sent). Global: after it every member holds what the result's sharding says.
  }];
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$sources, FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input `from` $sources `over` $mesh $axes attr-dict `:` type($input) `->` type($result)";
}

def Dist_BroadcastOp : Dist_CollectiveOp<"broadcast"> {
  let summary = "The part of `dim` that member `root` holds, on every member.";
  let description = [{
    Global: `axes` are all that cut `dim`; the result is part `root` of it, of which no part is cut. Local: the result is the
    root's operand. In a loop the root may be `root` plus the number of the round.

    ```mlir
    %1 = dist.broadcast %0 dim 1 root 2 over @mesh ["col"] : tensor<8x12xf32, #rows_col> -> tensor<8x4xf32, #rows>
    %2 = dist.broadcast %0 dim 1 root 2 plus %round over @mesh ["col"] : tensor<8x12xf32, #rows_col> -> tensor<8x4xf32, #rows>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<Index>:$round, I64Attr:$dim, I64Attr:$root,
    FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `dim` $dim `root` $root (`plus` $round^)? `over` $mesh $axes attr-dict `:` type($input) `->` type($result)
  }];
}

def Dist_ReduceOp : Dist_CollectiveOp<"reduce", [AttrSizedOperandSegments, InPlaceOpInterface]> {
  let summary = "The sum or maximum over the group, of which member `root` makes its part of `dim`.";
  let description = [{
    Global: the operand is part `root` of `dim`, partial over `axes`; the result, which `axes` cut along `dim`, is `into` with that
    part replaced by the sum. Without `into` its other parts are not defined. Local: on the root the sum, on other members `into`.
    In a loop the root may be `root` plus the number of the round.

    ```mlir
    %2 = dist.reduce sum %1 into %0 dim 1 root 2 over @mesh ["col"]
      : tensor<8x4xf32, #sum_col>, tensor<8x12xf32, #rows_col> -> tensor<8x12xf32, #rows_col>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Optional<AnyRankedTensor>:$into, Optional<Index>:$round,
    Dist_ReduceKind:$kind, I64Attr:$dim, I64Attr:$root, FlatSymbolRefAttr:$mesh, StrArrayAttr:$axes);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $kind $input (`into` $into^)? `dim` $dim `root` $root (`plus` $round^)? `over` $mesh $axes attr-dict `:`
    type($input) (`,` type($into)^)? `->` type($result)
  }];
  let extraClassDeclaration = "::mlir::Value getPlaceOf(unsigned) { return getInto(); }";
}

def Dist_WaitOp : Dist_Op<"wait", [Pure]> {
  let summary = "The results of a collective, once they are there; until then it is in flight beside work.";
  let description = [{
    Set by `overlap-collectives`, on the local form: all results of one collective, which nothing else reads. A collective without a
    wait is done before the next op.

    ```mlir
    %1 = dist.broadcast %0 dim 1 root 0 over @mesh ["col"] : tensor<4x2xf32> -> tensor<4x2xf32>
    %2 = colo.einsum ...
    %3 = dist.wait %1 : (tensor<4x2xf32>) -> tensor<4x2xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $outputs)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Rounds
//===----------------------------------------------------------------------===//

def Dist_LoopOp : Dist_Op<"loop", [Pure, IsolatedFromAbove, AttrSizedOperandSegments]> {
  let summary = "Rounds that differ in their number only: a body that runs `count` times.";
  let description = [{
    The body's arguments are the number of the round, from 0; the numbers of the rounds of the loops around this one
    (`outer`), innermost first; what goes from round to round (`carried`); what all rounds read (`invariants`). It yields
    what the next round gets, then one part a round of each assembled result. The results are what the last round yields of
    the former, and of the latter the parts of all rounds, round after round along `dims`.

    Nothing is in flight across the start of a round. Code, and what rounds need of memory, do not grow with `count`.

    ```mlir
    %y = dist.loop %round in 6 carrying (%p = %p0 : tensor<8x4xf32>) reading (%x = %x0 : tensor<8x4xf32>) {
      %next = dist.broadcast %x dim 1 root 1 plus %round over @mesh ["col"] : tensor<8x4xf32> -> tensor<8x4xf32>
      ...
      dist.yield %next : tensor<8x4xf32>
    } : tensor<8x4xf32>
    ```
  }];
  let arguments = (ins I64Attr:$count, Variadic<Index>:$outer, Variadic<AnyRankedTensor>:$carried,
    Variadic<AnyRankedTensor>:$invariants, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$dims);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    /// The body has its arguments and no terminator; result types follow from what `finish` is given.
    OpBuilder<(ins "int64_t":$count, "::mlir::ValueRange":$carried, "::mlir::ValueRange":$invariants,
      "::mlir::TypeRange":$assembled, "::llvm::ArrayRef<int64_t>":$dims)>];
  let extraClassDeclaration = [{
    ::mlir::Block &block() { return getBody().front(); }
    ::mlir::Value round() { return block().getArgument(0); }
    /// Numbers of this loop's round and those around it, innermost first.
    ::mlir::Block::BlockArgListType rounds() { return block().getArguments().take_front(1 + getOuter().size()); }
    ::mlir::Block::BlockArgListType carriedArguments() {
      return block().getArguments().slice(1 + getOuter().size(), getCarried().size());
    }
    ::mlir::Block::BlockArgListType invariantArguments() { return block().getArguments().take_back(getInvariants().size()); }
    /// The results that are what the last round yields, and those that are the parts of all.
    ::mlir::ResultRange carriedResults() { return getResults().take_front(getCarried().size()); }
    ::mlir::ResultRange assembledResults() { return getResults().drop_front(getCarried().size()); }
    /// Whether a round makes carried value `index` of itself in place.
    bool isInPlace(unsigned index);
  }];
}

def Dist_YieldOp : Dist_Op<"yield", [Pure, Terminator, HasParent<"LoopOp">]> {
  let summary = "Ends a round of a loop.";
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Dist_PartOp : Dist_Op<"part", [Pure, ViewOpInterface]> {
  let summary = "Part `number` plus an index of `dim`; a view.";
  let description = [{
    The parts are as large as the result. The index is the number of the round, or what `dist.half` gives.

    ```mlir
    %1 = dist.part %0 dim 1 number 2 plus %round : tensor<8x12xf32> -> tensor<8x2xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Index:$index, I64Attr:$dim, I64Attr:$number);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $input `dim` $dim `number` $number `plus` $index attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Dist_HalfOp : Dist_Op<"half", [Pure]> {
  let summary = "Which half of its rows and its keys a member of a balanced ring multiplies in a turn: 0 or 1.";
  let description = [{
    In turn `turn` (plus the number of the round) a member has what the member so many before it began with: its keys, or
    with `rows_travel` its rows. 0 where the rows come later in the sequence than the keys, else 1.

    ```mlir
    %half = dist.half turn 2 plus %round over @mesh ["sp"]
    ```
  }];
  let arguments = (ins Optional<Index>:$round, I64Attr:$turn, UnitAttr:$rows_travel, FlatSymbolRefAttr:$mesh,
    StrArrayAttr:$axes);
  let results = (outs Index:$result);
  let assemblyFormat = "`turn` $turn (`plus` $round^)? `over` $mesh $axes attr-dict";
}

def Dist_UpdatedOp : Dist_Op<"updated", [Pure, AllTypesMatch<["whole", "result"]>]> {
  let summary = "A value whose parts were all made anew in place: the value, after that.";
  let description = [{
    Each part is made in place of a slice of the value (InPlaceOpInterface), no two of one element, and together these are all of it.
    Nothing moves.

    ```mlir
    %0 = colo.slice %sum ... : tensor<2x4x8xf32> -> tensor<1x4x8xf32>
    %1 = colo.reshape %0 : tensor<1x4x8xf32> -> tensor<4x8xf32>
    %2 = colo.einsum "mk,kn->mn", %x, %w into %1 : ...
    ...
    %5 = dist.updated %sum by %2, %4 : tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$whole, Variadic<AnyRankedTensor>:$parts);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$whole `by` $parts attr-dict `:` type($whole) `,` type($parts)";
  let hasVerifier = 1;
}

def Dist_EmptyOp : Dist_Op<"empty", [Pure]> {
  let summary = "A value of which nothing is defined yet: what the first round of a loop writes to.";
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Dist_ReshardOp : Dist_Op<"reshard", [Pure]> {
  let summary = "The same value under another sharding; global form only. `dist-reshard-to-collectives` expands it.";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

#endif // DIST_OPS_TD
