//===- LearningRate.h - learning-rate schedules ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// lr of 0-based step s, W warm-up steps, N total steps:
//
//   s < W      lr (s + 1) / W
//   constant   lr
//   linear     lr + (minLr - lr) t
//   cosine     minLr + (lr - minLr) (1 + cos(pi t)) / 2
//
// with t = min(1, (s - W) / (N - W)).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_LEARNINGRATE_H
#define COLO_RUNTIME_LEARNINGRATE_H

#include "colo/Runtime/Program.h"

#include <algorithm>
#include <cmath>

namespace colo::runtime {

/// `runSteps` is --steps, which stands in for a total of 0.
inline double learningRate(const ColoOptimizer &o, int64_t step, int64_t runSteps) {
  if (step < o.warmupSteps)
    return o.lr * static_cast<double>(step + 1) / static_cast<double>(o.warmupSteps);
  int64_t total = o.totalSteps > 0 ? o.totalSteps : runSteps;
  double t = std::min(1.0, static_cast<double>(step - o.warmupSteps) /
                               static_cast<double>(std::max<int64_t>(1, total - o.warmupSteps)));
  if (o.schedule == COLO_LR_LINEAR)
    return o.lr + (o.minLr - o.lr) * t;
  if (o.schedule == COLO_LR_COSINE)
    return o.minLr + (o.lr - o.minLr) * 0.5 * (1 + std::cos(M_PI * t));
  return o.lr;
}

} // namespace colo::runtime

#endif // COLO_RUNTIME_LEARNINGRATE_H
