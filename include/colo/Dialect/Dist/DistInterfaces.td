//===- DistInterfaces.td - what a collective says ------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIST_INTERFACES_TD
#define COLO_DIST_INTERFACES_TD

include "mlir/IR/OpBase.td"

def CollectiveOpInterface : OpInterface<"CollectiveOpInterface"> {
  let cppNamespace = "::colo::dist";
  let description = [{
    An op that all members of a group do together and by which data move between them: it can be in flight beside work.
  }];
  let methods = [
    InterfaceMethod<"The mesh axes over which the members differ, major to minor.", "::mlir::ArrayAttr", "getAxes">,
  ];
}

#endif // COLO_DIST_INTERFACES_TD
