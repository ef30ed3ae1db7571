//===- ColoInterfaces.td - what an op must say about itself -*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_INTERFACES_TD
#define COLO_INTERFACES_TD

include "mlir/IR/OpBase.td"

def ShardingRuleOpInterface : OpInterface<"ShardingRuleOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An einsum-like factor map: which iteration factors the dims of operands and
    results are made of, and what cutting a factor over a mesh axis does.
    Partitioning, the batch check, padding and costs all read this and nothing
    else about an op.
  }];
  let methods = [
    InterfaceMethod<"The op's factors; see FactorMap.h.", "::colo::FactorMap", "getFactorMap">,
  ];
}

def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    The adjoint of an op. Operands and results may be used freely: autodiff maps
    them to saved or recomputed values.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the gradient of the operands from those of the results.
      `resultGrads` holds one value a result, null where no gradient flows;
      `operandGrads` has one entry an operand, left null where there is none.
    }], "void", "buildAdjoint",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands, "::mlir::ValueRange":$results,
           "::llvm::ArrayRef<::mlir::Value>":$resultGrads, "::llvm::SmallVectorImpl<::mlir::Value> &":$operandGrads)>,
    InterfaceMethod<[{
      Whether a gradient may flow into a result. The others are statistics, which only adjoints and counts read.
    }], "bool", "hasGradient", (ins "unsigned":$result), [{}], [{ return result == 0; }]>,
  ];
}

def PrecisionOpInterface : OpInterface<"PrecisionOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    What an op does with tensors of 16-bit floats (`colo-mixed-precision`). Without it an op's floating-point operands and
    results have one type: the 16-bit one if an operand has it. Wide is f32.
  }];
  let methods = [
    InterfaceMethod<"Whether an operand is read wide.", "bool", "readsWide", (ins "unsigned":$operand), [{}],
      [{ return false; }]>,
    InterfaceMethod<"Whether a result is wide.", "bool", "givesWide", (ins "unsigned":$result), [{}],
      [{ return false; }]>,
    InterfaceMethod<"Whether the op adds up in f32 whatever it reads, so that result 0 may be wide at no cost.", "bool",
      "sumsWide", (ins), [{}], [{ return false; }]>,
  ];
}

def ScalarBodyOpInterface : OpInterface<"ScalarBodyOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An elementwise op: equal shapes in and out, one scalar computation an element.}];
  let methods = [
    InterfaceMethod<[{
      Builds the computation of one element from the operands' elements (arith and math ops). Elements of 16-bit floats
      come and go as f32 (`arithmeticType`).
    }],
      "::mlir::Value", "buildScalar", (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$elements)>,
    InterfaceMethod<"Rough cost of one element, in simple vector instructions.", "int64_t", "getWeight", (ins), [{}],
      [{ return 1; }]>,
  ];
}

def ElementOpInterface : OpInterface<"ElementOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An op of whose result each element can be computed by itself: kernels compute it wherever it is read. With a scalar
    body, it is that of the elements read; else the first of them whose guards hold, 0 if none do. Numbers that only a
    kernel has (positions, random words, counts) make ops that need them cases of BodyBuilder::compute.
  }];
  let methods = [
    InterfaceMethod<[{
      What the element of the result at `indices` reads, one access an operand. An operand of which data say what is read,
      as an embedding's table, is not listed.
    }], "::llvm::SmallVector<::colo::ElementAccess>", "getElementAccesses",
      (ins "::llvm::ArrayRef<::mlir::AffineExpr>":$indices), [{}],
      [{ return ::colo::accessSameElements($_op.getOperation(), indices); }]>,
  ];
}

def EpilogueOpInterface : OpInterface<"EpilogueOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An elementwise op that a library's products may do to their results: `fuse-epilogues` makes it an epilogue of the product that it reads,
    where the target has it (ActivationRule).
  }];
  let methods = [
    InterfaceMethod<"Which epilogue; none where libraries have no such form of it.",
      "::std::optional<::colo::Epilogue>", "getEpilogue">,
    InterfaceMethod<"The operand that a product may make.", "::mlir::OpOperand &", "getProductOperand">,
    InterfaceMethod<"The other operand, which is in memory then; null if there is none.", "::mlir::Value", "getOtherOperand", (ins),
      [{}], [{ return {}; }]>,
  ];
}

def DecomposeOpInterface : OpInterface<"DecomposeOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{A high-level op that is a composition of primitive ones.}];
  let methods = [
    InterfaceMethod<"Builds the composition before the op and returns one value a result.",
      "::llvm::SmallVector<::mlir::Value>", "decompose", (ins "::mlir::OpBuilder &":$builder)>,
    InterfaceMethod<"Whether it stays whole until shapes are local.", "bool", "staysWhole", (ins), [{}],
      [{ return false; }]>,
  ];
}

def OwnKernelOpInterface : OpInterface<"OwnKernelOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An op that is kernels of its own, which nothing else joins. Its tensors may have any strides. One that can be decomposed, too, is
    left whole for targets that have such kernels (KernelPipelines). What a kernel holds is an OwnKernelBodyOpInterface.
  }];
  let methods = [
    InterfaceMethod<"The numbers of the results that each of its kernels makes.",
      "::llvm::SmallVector<::llvm::SmallVector<unsigned>>", "getKernelResults", (ins), [{}], [{ return {{0}}; }]>,
    InterfaceMethod<"Gives an op that is left whole what its kernels read and it may do without.", "void", "completeForKernels",
      (ins "::mlir::OpBuilder &":$builder), [{}], [{ (void)builder; }]>,
    InterfaceMethod<"Checks that it has that; says what is missing.", "::mlir::LogicalResult", "verifyForKernels", (ins), [{}],
      [{ return ::mlir::success(); }]>,
  ];
}

def OwnKernelBodyOpInterface : OpInterface<"OwnKernelBodyOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    How the kernels of an OwnKernelOpInterface are built. The dialects know nothing of kernel functions: `form-kernels` attaches it
    (OwnKernels.cpp).
  }];
  let methods = [
    InterfaceMethod<"Builds the body of the kernel that makes these results, with its return.", "void", "buildKernel",
      (ins "::llvm::ArrayRef<::mlir::Value>":$outputs, "::mlir::OpBuilder &":$builder, "::colo::KernelSignature &":$signature)>,
  ];
}

def InPlaceOpInterface : OpInterface<"InPlaceOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An op that makes a result where an operand is, which nothing else reads: it adds to it, say.}];
  let methods = [
    InterfaceMethod<"The operand in whose place a result is made; null if it has a place of its own.", "::mlir::Value",
      "getPlaceOf", (ins "unsigned":$result)>,
    InterfaceMethod<[{
      Whether a sum that such ops make, one after the other, may be a gradient's buffer: each adds to what is there, the first
      to what the buffer holds before.
    }], "bool", "addsToGradients", (ins), [{}], [{ return false; }]>,
  ];
}

def RearrangingOpInterface : OpInterface<"RearrangingOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An op that rearranges, repeats or leaves out what it reads and computes nothing: it is done again wherever its result is
    needed rather than kept.
  }];
}

def ViewOpInterface : OpInterface<"ViewOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An op whose result can lie where its first operand does: elements of it, without memory of their own.}];
  let methods = [
    InterfaceMethod<"Whether that holds for any strides of the operand.", "bool", "takesAnyStrides", (ins), [{}],
      [{ return true; }]>,
    InterfaceMethod<[{
      Strides of the result where the operand has these, in elements; nothing if its elements are not evenly strided.
    }], "::std::optional<::llvm::SmallVector<int64_t>>", "getStridesOver", (ins "::llvm::ArrayRef<int64_t>":$strides), [{}],
      [{ return ::llvm::SmallVector<int64_t>(strides); }]>,
  ];
}

def RandomOpInterface : OpInterface<"RandomOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An op that may draw random numbers, by the global position of its elements.}];
  let methods = [
    InterfaceMethod<"Whether it does.", "bool", "drawsNumbers", (ins), [{}], [{ return true; }]>,
  ];
}

def OutputOpInterface : OpInterface<"OutputOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An op without results, by which its first operand leaves the program: live in itself.}];
}

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{Floating-point operations of one execution on the shapes that the types show.}];
  let methods = [
    InterfaceMethod<"Multiply-adds count as two; elementwise work counts nothing.", "int64_t", "getFlops">,
  ];
}

def PositionalOpInterface : OpInterface<"PositionalOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{
    An op that reads the global position of its elements (iota, dropout, embedding lookups, causal attention). Localizing
    sets the attribute `positions`: for every dim of the positioned shape the global size and the mesh axes that cut it,
    and, where parts are not contiguous, the numbers of the `blocks` that each member's part is made of
    (colo/Dialect/Colo/Positions.h).
  }];
  let verify = [{ return ::colo::verifyPositions($_op); }];
  let methods = [
    InterfaceMethod<"The shape whose positions matter, as the types now show it.",
      "::llvm::SmallVector<int64_t>", "getPositionedShape">,
    InterfaceMethod<"The value whose dims are positioned: a result, or an operand for lookups.",
      "::mlir::Value", "getPositionedValue">,
    InterfaceMethod<"Whether dim 0 of operand 0 or of the result is looked up by number, so that a rank must hold one run.",
      "bool", "needsContiguousRows", (ins), [{}], [{ return false; }]>,
  ];
}

def TransferOpInterface : OpInterface<"TransferOpInterface"> {
  let cppNamespace = "::colo";
  let description = [{An op whose only result is its only operand, as it arrives somewhere else.}];
  let methods = [
    InterfaceMethod<"Whether that is on other ranks, so that each rank sends what it holds.", "bool", "isSent">,
  ];
}

#endif // COLO_INTERFACES_TD
