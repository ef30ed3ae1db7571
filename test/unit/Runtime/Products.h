//===- Products.h - descriptors of matrix products ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_PRODUCTS_H
#define COLO_TEST_UNIT_RUNTIME_PRODUCTS_H

#include "colo/Runtime/Program.h"

namespace colo::runtime::testing {

/// [m, n] = [m, k] x [k, n], all row-major and contiguous.
inline ColoGemm dense(int32_t dtype, int64_t m, int64_t n, int64_t k) {
  ColoGemm g = {};
  g.dtype = g.resultDtype = dtype;
  g.m = m;
  g.n = n;
  g.k = k;
  g.am = k;
  g.ak = 1;
  g.bk = n;
  g.bn = 1;
  g.cm = n;
  g.cn = 1;
  g.source = "test.colo:1:1";
  return g;
}

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_PRODUCTS_H
