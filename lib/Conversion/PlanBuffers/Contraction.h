//===- Contraction.h - an einsum as one batched matrix product -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A batched product has one stride a matrix for each of m, n, k and the batch
// dims. Letters of an einsum that lie one after the other in both tensors that
// hold them act as one; what does not collapse in m or n becomes a batch dim of
// which the other operand is repeated (stride 0). A contracted group that does
// not collapse, or an operand without a stride of 1, needs a packed copy, which
// is the caller's to make.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PLANBUFFERS_CONTRACTION_H
#define COLO_CONVERSION_PLANBUFFERS_CONTRACTION_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include <optional>
#include <string>

namespace colo {

/// Strides in elements, one a letter of the tensor's part of the spec.
using Strides = llvm::SmallVector<int64_t, 6>;

struct GemmShape {
  llvm::SmallVector<int64_t, 4> batch, aBatch, bBatch, cBatch;
  int64_t m = 1, n = 1, k = 1, am = 1, ak = 1, bk = 1, bn = 1, cm = 1, cn = 1;
  /// The operands changed places, so that the last dim of the result is n.
  bool swapped = false;
};

class Contraction {
public:
  /// Sizes come from the shapes of the two operands.
  Contraction(EinsumSpec spec, llvm::ArrayRef<int64_t> lhsShape, llvm::ArrayRef<int64_t> rhsShape);

  /// The product for tensors with these strides, or nothing if one of them must be packed (or the result laid out
  /// otherwise) first.
  std::optional<GemmShape> match(const Strides &lhs, const Strides &rhs, const Strides &result) const;

  /// Orders of letters in which a packed copy always collapses.
  std::string packedLhs() const { return batch + m + k; }
  std::string packedRhs() const { return batch + k + n; }
  std::string turnedLhs() const { return batch + k + m; }
  std::string packedResult() const { return batch + m + n; }

  /// Strides of a tensor with the letters `letters` that lies in memory in the order `order`.
  Strides stridesFor(llvm::StringRef letters, llvm::StringRef order) const;

  EinsumSpec getSpec() const { return spec; }
  int64_t size(char letter) const { return sizes[static_cast<unsigned char>(letter)]; }

private:
  EinsumSpec spec;
  int64_t sizes[256] = {};
  std::string batch, m, n, k;
};

} // namespace colo

#endif // COLO_CONVERSION_PLANBUFFERS_CONTRACTION_H
