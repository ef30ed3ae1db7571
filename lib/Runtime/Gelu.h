//===- Gelu.h - gelu's derivative on the host -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Of the tanh form (1606.08415, section 2): 0.5 x (1 + tanh(sqrt(2/pi) (x + c x^3))).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_GELU_H
#define COLO_LIB_RUNTIME_GELU_H

#include <cmath>

namespace colo::runtime {

inline float geluDerivative(float x) {
  constexpr float root = 0.797884561f, cubic = 0.044715f;
  float t = std::tanh(root * (x + cubic * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * root * (1 + 3 * cubic * x * x);
}

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_GELU_H
