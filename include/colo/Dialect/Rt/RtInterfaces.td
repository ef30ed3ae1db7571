//===- RtInterfaces.td - what an op of the device program says -*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RT_INTERFACES_TD
#define COLO_RT_INTERFACES_TD

include "mlir/IR/OpBase.td"

def BufferOpInterface : OpInterface<"BufferOpInterface"> {
  let cppNamespace = "::colo::rt";
  let description = [{What an op does to the memory that its operands name. Proofs about buffers read this alone.}];
  let methods = [
    InterfaceMethod<"The memrefs whose elements it reads.", "::llvm::SmallVector<::mlir::Value>", "getRead">,
    InterfaceMethod<"The memrefs whose elements it may write.", "::llvm::SmallVector<::mlir::Value>", "getWritten">,
  ];
}

def CommunicationOpInterface : OpInterface<"CommunicationOpInterface", [BufferOpInterface]> {
  let cppNamespace = "::colo::rt";
  let description = [{
    An op by which ranks exchange data: its group, its stream, what leaves each member and the call that does it. Plans, tables, proofs
    and lowerings read this and nothing else about a collective or transfer.
  }];
  let methods = [
    InterfaceMethod<"The tensor axes over which the members differ, major to minor.", "::mlir::ArrayAttr", "getAxes">,
    InterfaceMethod<"Whether the members differ in their replica too.", "bool", "getDataParallel">,
    InterfaceMethod<"The pipeline stages among which the members stand; empty where all members are of one stage.",
      "::llvm::ArrayRef<int64_t>", "getStages", (ins), [{}], [{
        auto stages = $_op->template getAttrOfType<::mlir::DenseI64ArrayAttr>(::colo::rt::kStagesAttr);
        return stages ? stages.asArrayRef() : ::llvm::ArrayRef<int64_t>();
      }]>,
    InterfaceMethod<"The stream it runs on.", "uint64_t", "getStream">,
    InterfaceMethod<"Its communicator in the program's table, once that exists.", "std::optional<uint64_t>", "getComm">,
    InterfaceMethod<"Its place in the program's table, once that exists.", "std::optional<uint64_t>", "getSite">,
    InterfaceMethod<"Sets its communicator.", "void", "setCommAttr", (ins "::mlir::IntegerAttr":$comm)>,
    InterfaceMethod<"Sets its place in the table.", "void", "setSiteAttr", (ins "::mlir::IntegerAttr":$site)>,
    InterfaceMethod<"The buffer that is reduced, gathered, exchanged.", "::mlir::Value", "getPayload">,
    InterfaceMethod<"What is added to the root in a loop, the number of its round; null for none.", "::mlir::Value", "getRound",
      (ins), [{}], [{ return ::mlir::Value(); }]>,
    InterfaceMethod<[{
      What each of `ranks` members, two or more, sends in `rounds` executions that belong together, by the rule of
      docs/communication.md.
    }], "::colo::GroupTraffic", "getTraffic", (ins "int64_t":$ranks, "int64_t":$rounds)>,
    InterfaceMethod<[{The call of NCCL that does it in a group of `ranks` members; nothing if it takes several.}],
      "::std::optional<::colo::rt::NcclCall>", "getCall", (ins "int64_t":$ranks)>,
  ];
}

#endif // COLO_RT_INTERFACES_TD
