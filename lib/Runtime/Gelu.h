//===- Gelu.h - gelu and its derivative on the host -*- C++ -*-===//
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

constexpr float kGeluRoot = 0.797884561f, kGeluCubic = 0.044715f;

inline float geluTanh(float x) { return std::tanh(kGeluRoot * (x + kGeluCubic * x * x * x)); }

inline float gelu(float x) { return 0.5f * x * (1 + geluTanh(x)); }

inline float geluDerivative(float x) {
  float t = geluTanh(x);
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * kGeluRoot * (1 + 3 * kGeluCubic * x * x);
}

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_GELU_H
