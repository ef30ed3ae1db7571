//===- NestLoad.h - how much one loop nest computes and keeps -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A nest's body is straight code. What LLVM takes for it grows with the square of
// its length, and what is live at once lies in registers or, where they do not
// suffice, in memory. Both are reckoned in the order in which BodyBuilder
// evaluates: operands first, each value once.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_NESTLOAD_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_NESTLOAD_H

#include "Accesses.h"

namespace colo {

/// What kernels may not exceed if they can be cut; 0: no bound.
struct KernelLimits {
  int64_t rowBytes = 0;  ///< of what a row keeps between its phases (Phases.h)
  int64_t registers = 0; ///< of 32 bits, for one element
};

/// The most that a nest computes for an element, in simple vector instructions: some sixty exponentials.
constexpr int64_t kMostWeight = 640;

struct NestLoad {
  int64_t weight = 0;    ///< in simple vector instructions
  int64_t registers = 0; ///< the most that are live at once, addresses of operands among them

  bool exceeds(const KernelLimits &limits) const {
    return weight > kMostWeight || (limits.registers && registers > limits.registers);
  }
  /// The larger share of a limit, in thousandths.
  int64_t share(const KernelLimits &limits) const {
    int64_t computed = 1000 * weight / kMostWeight;
    return limits.registers ? std::max(computed, 1000 * registers / limits.registers) : computed;
  }
};

/// Registers of 32 bits that an element takes.
int64_t registersOf(mlir::Value value);

/// A value in whose place others are read: that of which it is a view or which it repeats, unless it is made elsewhere.
mlir::Value computedIn(mlir::Value value, llvm::function_ref<bool(mlir::Value)> isMade);

/// The load of a nest that makes `items`, down to what `isMade` elsewhere. `computed` gets what it computes on the way.
NestLoad nestLoadOf(llvm::ArrayRef<mlir::Value> items, llvm::function_ref<bool(mlir::Value)> isMade,
                    llvm::SmallVectorImpl<mlir::Value> *computed = nullptr,
                    llvm::SmallVectorImpl<mlir::Value> *read = nullptr);

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_NESTLOAD_H
