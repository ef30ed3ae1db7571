//===- ColoOps.td - the global program ----------------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_OPS_TD
#define COLO_OPS_TD

include "colo/Dialect/Colo/ColoInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Colo_Dialect : Dialect {
  let name = "colo";
  let cppNamespace = "::colo";
  let summary = "A training step of one micro-batch of one replica, as a global program on whole tensors.";
  let description = [{
    Values are static ranked tensors of f32 or f64, in mixed precision also of bf16 or f16, ids of i32, masks of i1. There is no implicit broadcasting: operands of
    elementwise ops have equal shapes. Verifiers compare shapes and element types and ignore the tensors' encodings, which
    belong to `dist`.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Colo_Op<string mnemonic, list<Trait> traits = []> : Op<Colo_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def Colo_InitKind : I32EnumAttr<"InitKind", "how a parameter starts", [
  I32EnumAttrCase<"Zeros", 0, "zeros">, I32EnumAttrCase<"Ones", 1, "ones">, I32EnumAttrCase<"Normal", 2, "normal">,
  I32EnumAttrCase<"Uniform", 3, "uniform">, I32EnumAttrCase<"Constant", 4, "constant">]> {
  let cppNamespace = "::colo";
  let genSpecializedAttr = 0;
}

def Colo_InitAttr : AttrDef<Colo_Dialect, "Init"> {
  let mnemonic = "init";
  let summary = "initial values: normal(a = standard deviation, b = mean), uniform(from a, to b), constant(a)";
  let parameters = (ins EnumParameter<Colo_InitKind>:$kind, "::mlir::FloatAttr":$a, "::mlir::FloatAttr":$b);
  let assemblyFormat = "`<` $kind `,` $a `,` $b `>`";
}

def Colo_ReduceKind : I32EnumAttr<"ReduceKind", "reduction", [
  I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Max", 1, "max">]> {
  let cppNamespace = "::colo";
}

def Colo_Epilogue : I32EnumAttr<"Epilogue", "what a product does beside multiplying (colo.einsum)", [
  I32EnumAttrCase<"Bias", 0, "bias">, I32EnumAttrCase<"Plus", 1, "plus">, I32EnumAttrCase<"Sums", 2, "sums">,
  I32EnumAttrCase<"GeluGrad", 3, "gelu_grad">, I32EnumAttrCase<"Gelu", 4, "gelu">, I32EnumAttrCase<"Relu", 5, "relu">]> {
  let cppNamespace = "::colo";
}

def Colo_Predicate : I32EnumAttr<"Predicate", "comparison", [
  I32EnumAttrCase<"EQ", 0, "eq">, I32EnumAttrCase<"NE", 1, "ne">, I32EnumAttrCase<"LT", 2, "lt">,
  I32EnumAttrCase<"LE", 3, "le">, I32EnumAttrCase<"GT", 4, "gt">, I32EnumAttrCase<"GE", 5, "ge">]> {
  let cppNamespace = "::colo";
}

//===----------------------------------------------------------------------===//
// Program structure
//===----------------------------------------------------------------------===//

def Colo_ParamOp : Colo_Op<"param", [Symbol]> {
  let summary = "A parameter of the model, or the same parameter of a run of equal layers.";
  let description = [{
    `type` is the structured shape that the program uses, of one layer; after padding it may be larger than `logical_shape`.
    A `#` in the name stands for the layer number `first_layer` + 0 … `layers` - 1. `file_shape` is the flat view in files.
    Weight decay reaches what `decay` says: all of its layers or none.
    With `read_as` the program reads a copy of that element type, which the update makes.
    Partitioning adds `sharding` (per dim the mesh axes, major to minor) and `reduce` (mesh axes over which gradients are
    summed once per step, data parallelism aside).

    ```mlir
    colo.param @"h.#.attn.qkv.weight" : tensor<3x12x64x768xf32> {layers = 12, file_shape = [2304, 768],
      init = #colo.init<uniform, -0.036 : f64, 0.036 : f64>}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, DenseI64ArrayAttr:$logical_shape,
    DenseI64ArrayAttr:$file_shape, Colo_InitAttr:$init, DefaultValuedAttr<I64Attr, "1">:$layers,
    DefaultValuedAttr<I64Attr, "0">:$first_layer, DefaultValuedAttr<BoolAttr, "true">:$decay,
    OptionalAttr<TypeAttr>:$read_as, OptionalAttr<ArrayAttr>:$sharding, OptionalAttr<ArrayAttr>:$reduce);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
}

def Colo_ParamRefOp : Colo_Op<"param_ref", [Pure]> {
  let summary = "The value of an unstacked parameter, in the entry function.";
  let arguments = (ins FlatSymbolRefAttr:$param);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$param attr-dict `:` type($result)";
}

def Colo_CallOp : Colo_Op<"call", []> {
  let summary = "One call of a module's function.";
  let description = [{
    The callee takes the operands, then one argument for each parameter (argument attribute `colo.param`). `layer` numbers
    the call among all executions of the callee, so that random streams differ.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyRankedTensor>:$inputs, ArrayAttr:$params,
    DefaultValuedAttr<I64Attr, "0">:$layer);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let assemblyFormat = "$callee `(` $inputs `)` `params` $params attr-dict `:` functional-type($inputs, $outputs)";
}

def Colo_LayersOp : Colo_Op<"layers", [AttrSizedOperandSegments, AttrSizedResultSegments]> {
  let summary = "A run of `count` equal layers: one function, called in order (or in reverse).";
  let description = [{
    The callee is `(carried…, invariants…, stacked slices…, params…) -> (carried…, accumulated…, stacked slices…)`:
    carried values go from layer to layer; invariants are the same in each; a stacked operand or result has a leading dim
    `count`, of which layer i sees slice i; accumulated results are summed over the layers (gradients of invariants).
    Parameters name stacked `colo.param` symbols of `count` layers. Layer i runs as number `first_layer` + i of its callee.

    ```mlir
    %y, %saved = colo.layers @Block.fwd(%x) invariants() stacked() params[@"h.#.w"] {count = 12} :
      (tensor<4x32x64xf32>) -> (tensor<4x32x64xf32>, tensor<12x4x32x64xf32>)
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyRankedTensor>:$carried,
    Variadic<AnyRankedTensor>:$invariants, Variadic<AnyRankedTensor>:$stacked, ArrayAttr:$params, I64Attr:$count,
    DefaultValuedAttr<I64Attr, "0">:$first_layer, UnitAttr:$reverse);
  let results = (outs Variadic<AnyRankedTensor>:$carriedOut, Variadic<AnyRankedTensor>:$accumulated,
    Variadic<AnyRankedTensor>:$stackedOut);
  let assemblyFormat = [{
    $callee `(` $carried `)` `invariants` `(` $invariants `)` `stacked` `(` $stacked `)` `params` $params attr-dict `:`
    custom<Types>(type($carried)) custom<Types>(type($invariants)) custom<Types>(type($stacked)) `->`
    custom<Types>(type($carriedOut)) custom<Types>(type($accumulated)) custom<Types>(type($stackedOut))
  }];
  let hasVerifier = 1;
}

def Colo_GradOp : Colo_Op<"grad", [OutputOpInterface]> {
  let summary = "Adds a gradient to the gradient buffer of a parameter.";
  let description = [{
    `param` is a `colo.param_ref` or a parameter argument; of one that is read as a 16-bit float the gradient is an f32. The gradient may be a partial sum; what reduces it once per step
    is recorded on the parameter.
  }];
  let arguments = (ins AnyRankedTensor:$gradient, AnyRankedTensor:$param);
  let assemblyFormat = "$gradient `,` $param attr-dict `:` type($gradient) `,` type($param)";
}

def Colo_MetricOp : Colo_Op<"metric", [OutputOpInterface, PrecisionOpInterface]> {
  let summary = "Adds a scalar to a metric; summed over micro-batches and replicas it is the value of the global batch.";
  let arguments = (ins StrAttr:$name, AnyRankedTensor:$value);
  let assemblyFormat = "$name `,` $value attr-dict `:` type($value)";
  let extraClassDeclaration = "bool readsWide(unsigned) { return true; }";
}

def Colo_CountOp : Colo_Op<"count", [OutputOpInterface]> {
  let summary = "Adds the sum of the weights to denominator `term`, in the counting function.";
  let arguments = (ins AnyRankedTensor:$weights, I64Attr:$term);
  let assemblyFormat = "$weights attr-dict `:` type($weights)";
}

def Colo_InverseCountOp : Colo_Op<"inverse_count", [Pure, ElementOpInterface]> {
  let summary = "1/N of denominator `term` over the global batch (0 if N is 0), a run-time number.";
  let description = [{With `scaled`, times the step's loss scale: gradients start from this number.}];
  let arguments = (ins I64Attr:$term, UnitAttr:$scaled);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

class Colo_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Colo_Op<mnemonic, !listconcat([Pure, ElementOpInterface, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
        DeclareOpInterfaceMethods<ScalarBodyOpInterface>], traits)>;

/// `weight` as in ScalarBodyOpInterface.
class Colo_UnaryOp<string mnemonic, string what, int weight = 1,
    list<Trait> traits = [DeclareOpInterfaceMethods<DifferentiableOpInterface>]>
    : Colo_ElementwiseOp<mnemonic, !listconcat([SameOperandsAndResultType], traits)> {
  let summary = what;
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
  let extraClassDeclaration = "int64_t getWeight() { return " # weight # "; }";
}

class Colo_BinaryOp<string mnemonic, string what, int weight = 1,
    list<Trait> traits = [DeclareOpInterfaceMethods<DifferentiableOpInterface>]>
    : Colo_ElementwiseOp<mnemonic, !listconcat([SameOperandsAndResultShape, SameOperandsAndResultElementType], traits)> {
  let summary = what;
  // Types differ in encodings only: a partial sum times a complete value is a partial sum.
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` custom<BinaryTypes>(type($lhs), type($rhs), type($result))";
  let extraClassDeclaration = "int64_t getWeight() { return " # weight # "; }";
}

def Colo_NegOp : Colo_UnaryOp<"neg", "-x">;
def Colo_AbsOp : Colo_UnaryOp<"abs", "|x|; gradient 0 at 0">;
def Colo_ExpOp : Colo_UnaryOp<"exp", "e^x", 10>;
def Colo_LogOp : Colo_UnaryOp<"log", "natural logarithm", 10>;
def Colo_SqrtOp : Colo_UnaryOp<"sqrt", "square root", 3>;
def Colo_RsqrtOp : Colo_UnaryOp<"rsqrt", "1/sqrt(x)", 3>;
def Colo_CosOp : Colo_UnaryOp<"cos", "cosine", 10>;
def Colo_SinOp : Colo_UnaryOp<"sin", "sine", 10>;
def Colo_TanhOp : Colo_UnaryOp<"tanh", "hyperbolic tangent", 10>;
def Colo_SigmoidOp : Colo_UnaryOp<"sigmoid", "1/(1+e^-x), without overflow", 10>;
def Colo_ErfOp : Colo_UnaryOp<"erf", "error function", 10>;
def Colo_ReluOp : Colo_UnaryOp<"relu", "max(x, 0); gradient 0 at 0", 1,
    [DeclareOpInterfaceMethods<DifferentiableOpInterface>, EpilogueOpInterface]> {
  let extraClassDeclaration = [{
    int64_t getWeight() { return 1; }
    ::std::optional<::colo::Epilogue> getEpilogue() { return ::colo::Epilogue::Relu; }
    ::mlir::OpOperand &getProductOperand() { return getInputMutable(); }
  }];
}
def Colo_SiluOp : Colo_UnaryOp<"silu", "x * sigmoid(x)", 10>;
def Colo_StopGradientOp : Colo_UnaryOp<"stop_gradient", "x, through which no gradient flows">;
def Colo_GeluOp : Colo_UnaryOp<"gelu", "x * Phi(x), or its tanh form (Hendrycks and Gimpel, 1606.08415)", 10,
    [DeclareOpInterfaceMethods<DifferentiableOpInterface>, EpilogueOpInterface]> {
  let arguments = (ins AnyRankedTensor:$input, UnitAttr:$tanh);
  let extraClassDeclaration = [{
    int64_t getWeight() { return 10; }
    /// Libraries know gelu in its tanh form.
    ::std::optional<::colo::Epilogue> getEpilogue() {
      return getTanh() ? ::std::optional(::colo::Epilogue::Gelu) : ::std::nullopt;
    }
    ::mlir::OpOperand &getProductOperand() { return getInputMutable(); }
  }];
}
def Colo_PowerOp : Colo_UnaryOp<"power", "x^exponent with a static exponent", 10> {
  let arguments = (ins AnyRankedTensor:$input, F64Attr:$exponent);
}

def Colo_AddOp : Colo_BinaryOp<"add", "a + b">;
def Colo_SubOp : Colo_BinaryOp<"sub", "a - b">;
def Colo_MulOp : Colo_BinaryOp<"mul", "a * b">;
def Colo_DivOp : Colo_BinaryOp<"div", "a / b", 3>;
def Colo_MaximumOp : Colo_BinaryOp<"maximum", "the larger; NaN if either is; the gradient of a tie goes to a">;
def Colo_AndOp : Colo_BinaryOp<"and", "both, on masks", 1, []>;
def Colo_GeluGradOp : Colo_BinaryOp<"gelu_grad", "rhs * gelu'(lhs)", 10, [EpilogueOpInterface]> {
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs, UnitAttr:$tanh);
  let extraClassDeclaration = [{
    int64_t getWeight() { return 10; }
    /// Libraries know gelu in its tanh form.
    ::std::optional<::colo::Epilogue> getEpilogue() {
      return getTanh() ? ::std::optional(::colo::Epilogue::GeluGrad) : ::std::nullopt;
    }
    ::mlir::OpOperand &getProductOperand() { return getRhsMutable(); }
    ::mlir::Value getOtherOperand() { return getLhs(); }
  }];
}
def Colo_SiluGradOp : Colo_BinaryOp<"silu_grad", "rhs * silu'(lhs)", 10, []>;

def Colo_CompareOp : Colo_ElementwiseOp<"compare", [SameOperandsShape]> {
  let summary = "Comparison of equal element types; a mask of i1.";
  let arguments = (ins Colo_Predicate:$predicate, AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$predicate `,` $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
}
def Colo_SelectOp : Colo_ElementwiseOp<"select", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "lhs where the mask is true, else rhs.";
  let arguments = (ins AnyRankedTensor:$mask, AnyRankedTensor:$lhs, AnyRankedTensor:$rhs);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$mask `,` $lhs `,` $rhs attr-dict `:` type($mask) `,` type($lhs) `,` type($rhs) `->` type($result)";
}
def Colo_ConvertOp : Colo_ElementwiseOp<"convert", [DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "The same numbers in another element type (i1 becomes 0 or 1).";
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Colo_ConstantOp : Colo_Op<"constant", [Pure, ElementOpInterface, DeclareOpInterfaceMethods<ShardingRuleOpInterface>]> {
  let summary = "The same number everywhere.";
  let arguments = (ins F64Attr:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
}

def Colo_IotaOp : Colo_Op<"iota", [Pure, ElementOpInterface, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<PositionalOpInterface>]> {
  let summary = "The global position along `dim`.";
  let arguments = (ins I64Attr:$dim, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Colo_RandomOp : Colo_Op<"random", [Pure, ElementOpInterface, RandomOpInterface,
    DeclareOpInterfaceMethods<ShardingRuleOpInterface>, DeclareOpInterfaceMethods<PositionalOpInterface>]> {
  let summary = "Uniform in [0, 1): a function of seed, step, `id`, layer and global element, as dropout is.";
  let description = [{The element's word as in `colo.dropout`, its upper 24 bits / 2^24. Dim 0 is the batch.}];
  let arguments = (ins I64Attr:$id, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
}

def Colo_DropoutOp : Colo_Op<"dropout", [Pure, SameOperandsAndResultType, ElementOpInterface, RandomOpInterface,
    DeclareOpInterfaceMethods<ShardingRuleOpInterface>, DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PositionalOpInterface>]> {
  let summary = "x / (1 - rate) where kept, else 0: a function of seed, step, `id`, layer and global element.";
  let description = [{
    Philox4x32-10, key = seed, counter = (index / 4 low, index / 4 high, id << 16 | layer, step), word index mod 4; kept if
    the word is at least rate * 2^32. The index counts the global batch's rows: dim 0 is the batch.
  }];
  let arguments = (ins AnyRankedTensor:$input, F64Attr:$rate, I64Attr:$id, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Shape, reduction, product
//===----------------------------------------------------------------------===//

/// An element reads elements of operands at other indices than its own.
defvar Colo_ReadsElsewhere = DeclareOpInterfaceMethods<ElementOpInterface, ["getElementAccesses"]>;
/// Elements in memory lie elsewhere than in row-major order.
defvar Colo_View = DeclareOpInterfaceMethods<ViewOpInterface, ["getStridesOver"]>;

class Colo_ShapeOp<string mnemonic, list<Trait> traits = []>
    : Colo_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
        DeclareOpInterfaceMethods<DifferentiableOpInterface>], traits)> {
  let arguments = (ins AnyRankedTensor:$input);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Colo_BroadcastOp : Colo_ShapeOp<"broadcast", [RearrangingOpInterface, Colo_ReadsElsewhere]> {
  let summary = "Operand dim i becomes result dim dims[i] (rising); all other result dims repeat.";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$dims);
}
def Colo_ReduceOp : Colo_ShapeOp<"reduce", [PrecisionOpInterface]> {
  let summary = "Sum or maximum over `dims`, which disappear. Of 16-bit floats it is an f32.";
  let extraClassDeclaration = [{
    bool givesWide(unsigned) { return true; }
    bool sumsWide() { return true; }
  }];
  let arguments = (ins AnyRankedTensor:$input, Colo_ReduceKind:$kind, DenseI64ArrayAttr:$dims);
}
def Colo_TransposeOp : Colo_ShapeOp<"transpose", [RearrangingOpInterface, Colo_ReadsElsewhere, Colo_View]> {
  let summary = "Result dim i is operand dim permutation[i].";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$permutation);
}
def Colo_ReshapeOp : Colo_ShapeOp<"reshape", [RearrangingOpInterface, Colo_ReadsElsewhere, Colo_View]> {
  let summary = "The same elements in row-major order under another shape.";
  let extraClassDeclaration = "bool takesAnyStrides() { return false; }";
}
def Colo_SliceOp : Colo_ShapeOp<"slice", [RearrangingOpInterface, Colo_ReadsElsewhere, Colo_View]> {
  let summary = "Elements offsets[i] + j * strides[i] of each dim.";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$strides);
}
def Colo_PadOp : Colo_ShapeOp<"pad", [Colo_ReadsElsewhere]> {
  let summary = "The adjoint of slice: zeros, with element j of the operand at offsets[i] + j * strides[i].";
  let arguments = (ins AnyRankedTensor:$input, DenseI64ArrayAttr:$offsets, DenseI64ArrayAttr:$strides);
}
def Colo_ConcatOp : Colo_Op<"concat", [Pure, Colo_ReadsElsewhere, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "Operands one after the other along `dim`.";
  let arguments = (ins Variadic<AnyRankedTensor>:$inputs, I64Attr:$dim);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $result)";
  let hasVerifier = 1;
}

def Colo_EinsumOp : Colo_Op<"einsum", [Pure, AttrSizedOperandSegments, AttrSizedResultSegments, PrecisionOpInterface, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>, InPlaceOpInterface]> {
  let summary = "A product of two tensors, one letter a factor: `\"bsh,oh->bso\"`. Closed under differentiation.";
  let description = [{
    No letter twice in one tensor. A letter in both operands and not in the result is contracted; in both and in the
    result, a batch dim; a letter in one operand only must be in the result. Of 16-bit floats the sums are f32, and the
    result may be. With `into` the product is added to that value,
    in its place: nothing else reads it.

    What a target's products add before they write the result (`fuse-epilogues`): `bias`, of the last letters of the result and
    the same for all others, and `plus`, a value that stays as it is. `sums` is what they add up beside it: operand
    number `summed` over all that is contracted, in the result's type. `activation` comes last: `gelu_grad` multiplies the product with the
    derivative of gelu's tanh form at the element of `aux`, which is of the result's type; `gelu` (tanh form) and `relu` are done to the sum
    before it is rounded. `argument` is then that sum, rounded, as another result.

    ```mlir
    %y1 = colo.einsum "mk,kn->mn", %x1, %w1 into %y0
      : tensor<4x2xf32>, tensor<2x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    %y2 = colo.einsum "mk,kn->mn", %x, %w bias %b plus %r
      : tensor<4x2xf32>, tensor<2x8xf32> bias tensor<8xf32> plus tensor<4x8xf32> -> tensor<4x8xf32>
    %dz = colo.einsum "mn,nk->mk", %dy, %w aux %z as gelu_grad
      : tensor<4x8xbf16>, tensor<8x8xbf16> aux tensor<4x8xbf16> -> tensor<4x8xbf16>
    %h, %z = colo.einsum "mk,nk->mn", %x, %w bias %b as gelu
      : tensor<4x2xbf16>, tensor<8x2xbf16> bias tensor<8xbf16> -> tensor<4x8xbf16> argument tensor<4x8xbf16>
    %dw, %db = colo.einsum "mn,mk->nk", %dy, %x {summed = 0}
      : tensor<4x8xf32>, tensor<4x2xf32> -> tensor<8x2xf32>, tensor<8xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$lhs, AnyRankedTensor:$rhs, Optional<AnyRankedTensor>:$into,
    Optional<AnyRankedTensor>:$bias, Optional<AnyRankedTensor>:$addend, Optional<AnyRankedTensor>:$aux, StrAttr:$spec,
    OptionalAttr<I64Attr>:$summed, OptionalAttr<Colo_Epilogue>:$activation);
  let results = (outs AnyRankedTensor:$result, Optional<AnyRankedTensor>:$sums, Optional<AnyRankedTensor>:$argument);
  let assemblyFormat = [{
    $spec `,` $lhs `,` $rhs (`into` $into^)? (`bias` $bias^)? (`plus` $addend^)? (`aux` $aux^)? (`as` $activation^)? attr-dict `:`
    type($lhs) `,` type($rhs) (`,` type($into)^)? (`bias` type($bias)^)? (`plus` type($addend)^)? (`aux` type($aux)^)? `->` type($result)
    (`,` type($sums)^)? (`argument` type($argument)^)?
  }];
  let builders = [OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$lhs, "::mlir::Value":$rhs,
    "::mlir::StringAttr":$spec), [{ build($_builder, $_state, type, lhs, rhs, ::mlir::Value(), spec); }]>,
    OpBuilder<(ins "::mlir::Type":$type, "::mlir::Value":$lhs, "::mlir::Value":$rhs, "::mlir::Value":$into,
    "::mlir::StringAttr":$spec), [{
      build($_builder, $_state, type, ::mlir::Type(), ::mlir::Type(), lhs, rhs, into, ::mlir::Value(), ::mlir::Value(),
            ::mlir::Value(), spec, ::mlir::IntegerAttr(), ::colo::EpilogueAttr());
    }]>];
  let extraClassDeclaration = [{
    bool sumsWide() { return true; }
    ::mlir::RankedTensorType getType() { return ::llvm::cast<::mlir::RankedTensorType>(getResult().getType()); }
    ::mlir::Value getPlaceOf(unsigned number) { return number == 0 ? getInto() : ::mlir::Value(); }
    bool addsToGradients() { return true; }
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// High-level ops: kept whole through autodiff, decomposed before or after partitioning
//===----------------------------------------------------------------------===//

class Colo_HighLevelOp<string mnemonic, list<Trait> traits = []>
    : Colo_Op<mnemonic, !listconcat([Pure, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
        DeclareOpInterfaceMethods<DecomposeOpInterface>], traits)>;

def Colo_SoftmaxOp : Colo_HighLevelOp<"softmax", [SameOperandsAndResultType, DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "Softmax over the last dim (or its logarithm).";
  let arguments = (ins AnyRankedTensor:$input, UnitAttr:$logarithm);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($result)";
}
def Colo_SoftmaxGradOp : Colo_HighLevelOp<"softmax_grad", [SameOperandsAndResultType]> {
  let summary = "Gradient of softmax from its result and the result's gradient.";
  let arguments = (ins AnyRankedTensor:$output, AnyRankedTensor:$gradient, UnitAttr:$logarithm);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$output `,` $gradient attr-dict `:` type($result)";
}

def Colo_LayerNormOp : Colo_HighLevelOp<"layer_norm", [PrecisionOpInterface,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "(x - mean) / sqrt(variance + eps) over the last dim, without weight and bias (1607.06450).";
  let description = [{`mean` and `rstd` lack the last dim. The variance is that of the centred values: two reductions.}];
  let arguments = (ins AnyRankedTensor:$input, F64Attr:$eps);
  let results = (outs AnyRankedTensor:$result, AnyRankedTensor:$mean, AnyRankedTensor:$rstd);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result) `,` type($mean) `,` type($rstd)";
  let extraClassDeclaration = "bool givesWide(unsigned result) { return result > 0; }";
}
def Colo_LayerNormGradOp : Colo_HighLevelOp<"layer_norm_grad"> {
  let summary = "Gradient of layer_norm's input from that of its result.";
  let arguments = (ins AnyRankedTensor:$input, AnyRankedTensor:$mean, AnyRankedTensor:$rstd, AnyRankedTensor:$gradient);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{$input `,` $mean `,` $rstd `,` $gradient attr-dict `:` type($input) `,` type($mean) `,` type($rstd)
    `,` type($gradient) `->` type($result)}];
}

def Colo_AttentionOp : Colo_HighLevelOp<"attention", [AttrSizedOperandSegments, RandomOpInterface, PrecisionOpInterface,
    OwnKernelOpInterface, InPlaceOpInterface,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PositionalOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "Scaled dot-product attention: q [b,s,a,D], k and v [b,t,c,D], c divides a.";
  let description = [{
    `lse` [b,a,s] is the logarithm of the sum of exponentials of each row. `mask` [b,t] of i1 is true for the keys that
    may be read; with `causal` both must hold. A row without keys gives 0. Dropout is on the probabilities, by the
    global element of [b,a,s,t].

    With `into`, the result and lse of the same rows with other keys, the results are those with all of these keys, in their
    place: nothing else reads them.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
    Optional<AnyRankedTensor>:$mask, Variadic<AnyRankedTensor>:$into, F64Attr:$scale, UnitAttr:$causal, DefaultValuedAttr<F64Attr, "0.0">:$dropout,
    DefaultValuedAttr<I64Attr, "0">:$id, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result, AnyRankedTensor:$lse);
  let assemblyFormat = [{$query `,` $key `,` $value (`mask` $mask^ `:` type($mask))? (`into` $into^ `:` type($into))? attr-dict `:`
    type($query) `,` type($key) `,` type($value) `->` type($result) `,` type($lse)}];
  let builders = [OpBuilder<(ins "::mlir::Type":$result, "::mlir::Type":$lse, "::mlir::Value":$query, "::mlir::Value":$key,
    "::mlir::Value":$value, "::mlir::Value":$mask, "::mlir::FloatAttr":$scale, "::mlir::UnitAttr":$causal,
    "::mlir::FloatAttr":$dropout, "::mlir::IntegerAttr":$id, "::mlir::ArrayAttr":$positions), [{
      build($_builder, $_state, result, lse, query, key, value, mask, ::mlir::ValueRange(), scale, causal, dropout, id, positions);
    }]>];
  let extraClassDeclaration = [{
    bool staysWhole() { return true; }
    ::llvm::SmallVector<::llvm::SmallVector<unsigned>> getKernelResults() { return {{0, 1}}; }
    ::mlir::Value getPlaceOf(unsigned result) { return getInto().empty() ? ::mlir::Value() : getInto()[result]; }
    bool drawsNumbers() { return getDropout().convertToDouble() > 0.0; }
    bool givesWide(unsigned result) { return result > 0; }
  }];
  let hasVerifier = 1;
}
def Colo_AttentionGradOp : Colo_HighLevelOp<"attention_grad", [AttrSizedOperandSegments, OwnKernelOpInterface, InPlaceOpInterface,
    DeclareOpInterfaceMethods<PositionalOpInterface>, DeclareOpInterfaceMethods<CostOpInterface>]> {
  let summary = "Gradients of attention's query, key and value; probabilities are computed again from lse.";
  let description = [{
    `gradient` is that of the result. `delta` [b,a,s], like lse, is the sum of gradient * result over each row and head (Dao,
    2307.08691, section 3.1). Without it the sum is taken over the probabilities and their gradients, which needs all keys.

    A gradient with a sum of what other rows or keys gave is added to that, in its place: nothing else reads it.
  }];
  let arguments = (ins AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value, AnyRankedTensor:$lse,
    AnyRankedTensor:$gradient, Optional<AnyRankedTensor>:$delta, Optional<AnyRankedTensor>:$mask,
    Optional<AnyRankedTensor>:$dquery_sum, Optional<AnyRankedTensor>:$dkey_sum, Optional<AnyRankedTensor>:$dvalue_sum, F64Attr:$scale,
    UnitAttr:$causal, DefaultValuedAttr<F64Attr, "0.0">:$dropout, DefaultValuedAttr<I64Attr, "0">:$id, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$dquery, AnyRankedTensor:$dkey, AnyRankedTensor:$dvalue);
  let assemblyFormat = [{$query `,` $key `,` $value `,` $lse `,` $gradient (`delta` $delta^)? (`mask` $mask^)?
    (`dquery` $dquery_sum^)? (`dkey` $dkey_sum^)? (`dvalue` $dvalue_sum^)? attr-dict `:` functional-type(operands, results)}];
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$types, "::mlir::Value":$query, "::mlir::Value":$key, "::mlir::Value":$value,
    "::mlir::Value":$lse, "::mlir::Value":$gradient, "::mlir::Value":$delta, "::mlir::Value":$mask, "::mlir::FloatAttr":$scale,
    "::mlir::UnitAttr":$causal, "::mlir::FloatAttr":$dropout, "::mlir::IntegerAttr":$id, "::mlir::ArrayAttr":$positions), [{
      build($_builder, $_state, types, query, key, value, lse, gradient, delta, mask, ::mlir::Value(), ::mlir::Value(),
            ::mlir::Value(), scale, causal, dropout, id, positions);
    }]>];
  let extraClassDeclaration = [{
    bool staysWhole() { return true; }
    ::llvm::SmallVector<::llvm::SmallVector<unsigned>> getKernelResults() { return {{0}, {1, 2}}; }
    void completeForKernels(::mlir::OpBuilder &builder);
    ::mlir::LogicalResult verifyForKernels();
    ::mlir::Value getPlaceOf(unsigned result) {
      return result == 0 ? getDquerySum() : result == 1 ? getDkeySum() : getDvalueSum();
    }
  }];
  let hasVerifier = 1;
}

def Colo_EmbeddingOp : Colo_Op<"embedding", [Pure, Colo_ReadsElsewhere, DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>,
    DeclareOpInterfaceMethods<PositionalOpInterface, ["needsContiguousRows"]>]> {
  let summary = "Rows of a table: table [V, …], ids [b, …] give [b, …, …]. An id outside the rank's rows gives 0.";
  let arguments = (ins AnyRankedTensor:$table, AnyRankedTensor:$ids, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$table `,` $ids attr-dict `:` type($table) `,` type($ids) `->` type($result)";
  let hasVerifier = 1;
}
def Colo_EmbeddingGradOp : Colo_Op<"embedding_grad", [Pure, PrecisionOpInterface, OwnKernelOpInterface,
    DeclareOpInterfaceMethods<ShardingRuleOpInterface>,
    DeclareOpInterfaceMethods<PositionalOpInterface, ["needsContiguousRows"]>]> {
  let summary = "Rows of the gradient added up by id, in the order of the ids.";
  let arguments = (ins AnyRankedTensor:$gradient, AnyRankedTensor:$ids, OptionalAttr<ArrayAttr>:$positions);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$gradient `,` $ids attr-dict `:` type($gradient) `,` type($ids) `->` type($result)";
  let extraClassDeclaration = "bool sumsWide() { return true; }";
}

def Colo_CrossEntropyOp : Colo_HighLevelOp<"cross_entropy", [PrecisionOpInterface,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "Per-token loss, its weight (0 where ignored, else 1), and log-sum-exp of the logits.";
  let description = [{
    logits [b, …, V], targets [b, …]. With smoothing e: lse - (1-e) z_t - e/V sum z, times the weight. `classes` is the true
    V; columns past it are padding and take part in nothing.
  }];
  let arguments = (ins AnyRankedTensor:$logits, AnyRankedTensor:$targets, I64Attr:$classes, I64Attr:$ignore_index,
    F64Attr:$label_smoothing);
  let results = (outs AnyRankedTensor:$losses, AnyRankedTensor:$weights, AnyRankedTensor:$lse);
  let assemblyFormat = [{$logits `,` $targets attr-dict `:` type($logits) `,` type($targets) `->` type($losses) `,`
    type($weights) `,` type($lse)}];
  let extraClassDeclaration = "bool givesWide(unsigned) { return true; }";
}
def Colo_CrossEntropyGradOp : Colo_HighLevelOp<"cross_entropy_grad"> {
  let summary = "Gradient of the logits from that of the losses; 0 in padded columns and where ignored.";
  let arguments = (ins AnyRankedTensor:$logits, AnyRankedTensor:$targets, AnyRankedTensor:$lse, AnyRankedTensor:$gradient,
    I64Attr:$classes, I64Attr:$ignore_index, F64Attr:$label_smoothing);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{$logits `,` $targets `,` $lse `,` $gradient attr-dict `:` type($logits) `,` type($targets) `,`
    type($lse) `,` type($gradient) `->` type($result)}];
}
def Colo_CorrectOp : Colo_HighLevelOp<"correct", [PrecisionOpInterface]> {
  let summary = "1 where the target has the largest logit, else 0, and the weight as in cross_entropy.";
  let arguments = (ins AnyRankedTensor:$logits, AnyRankedTensor:$targets, I64Attr:$classes, I64Attr:$ignore_index);
  let results = (outs AnyRankedTensor:$correct, AnyRankedTensor:$weights);
  let assemblyFormat = [{$logits `,` $targets attr-dict `:` type($logits) `,` type($targets) `->` type($correct) `,`
    type($weights)}];
  let extraClassDeclaration = "bool givesWide(unsigned) { return true; }";
}

def Colo_WeightedMeanOp : Colo_HighLevelOp<"weighted_mean", [PrecisionOpInterface,
    DeclareOpInterfaceMethods<DifferentiableOpInterface>]> {
  let summary = "sum(weights * values) / N, a scalar: the only reduction over batch rows.";
  let description = [{
    N is the sum of the weights over the global batch: all micro-batches, accumulation steps and replicas, counted before
    the first forward. The result is this micro-batch's share of the global mean. Weights must depend on inputs only.
    `term` numbers the denominators (-1 until `colo-autodiff` has run). With `scaled`, gradients are multiplied by the
    step's loss scale.
  }];
  let arguments = (ins AnyRankedTensor:$values, AnyRankedTensor:$weights, DefaultValuedAttr<I64Attr, "-1">:$term,
    UnitAttr:$scaled);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$values `,` $weights attr-dict `:` type($values) `,` type($weights) `->` type($result)";
  let extraClassDeclaration = [{
    bool readsWide(unsigned) { return true; }
    bool givesWide(unsigned) { return true; }
  }];
}

#endif // COLO_OPS_TD
