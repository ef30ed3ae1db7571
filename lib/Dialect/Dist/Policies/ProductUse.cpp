//===- ProductUse.cpp - what a mode is asked of a product -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"

using namespace colo;
using namespace colo::dist;

static bool has(const TensorFactors &dims, int factor) { return dimOfFactor(dims, factor) >= 0; }

bool ProductUse::isInParameter(int factor) const { return has(parameter, factor); }

int ProductUse::tableRows() const {
  for (const DimFactors &dim : parameter)
    for (int factor : dim) {
      auto isElsewhere = [&](auto indexed) {
        return static_cast<int>(indexed.index()) != operand && has(indexed.value(), factor);
      };
      bool isResult = !isGradient() && has(map.results[0], factor);
      if (!isResult && llvm::none_of(llvm::enumerate(map.operands), isElsewhere))
        return factor;
    }
  return -1;
}

int ProductUse::tokenFactor() const {
  const TensorFactors &dims = map.operands[operand == 0 ? 1 : 0];
  if (dims.empty() || dims.front().empty() || isInParameter(dims.front().front()))
    return -1;
  return dims.front().front();
}
