//===- LossScale.h - the scale of the loss by steps -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dynamic loss scaling (1710.03740, section 4) as Colossal-AI's DynamicGradScaler
// does it; with a hysteresis of 1 that is PyTorch's GradScaler. The count of
// overflows starts anew with a growth only, so after `hysteresis` of them every
// further one lowers the scale at once. Every rank of a run computes the same
// from the same norm.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_LOSSSCALE_H
#define COLO_RUNTIME_LOSSSCALE_H

#include "colo/Runtime/Program.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace colo::runtime {

class LossScale {
public:
  /// A loss does not depend on the scale: after so many skipped steps in a row whose own was not finite, the model has
  /// diverged.
  static constexpr int kStepsToDivergence = 20;
  /// The smallest number of f16 above 0; gradients that overflow at a lower scale are not finite at any.
  static constexpr double kLeast = 0x1p-24;

  explicit LossScale(const ColoLossScale &settings) : s(settings), scale(settings.initial > 0 ? settings.initial : 1) {}

  bool isOn() const { return s.initial > 0; }
  double value() const { return scale; }
  int64_t skipped() const { return skips; }
  /// Why no further step is of use, or nothing. To be asked once after each step.
  std::string fault(bool overflowed, double loss) {
    lost = overflowed && !std::isfinite(loss) ? lost + 1 : 0;
    if (lost >= kStepsToDivergence)
      return "the loss was not finite in " + std::to_string(lost) +
             " steps in a row, which the loss scale does not change";
    return overflowed && scale < kLeast ? "gradients overflow at any loss scale" : "";
  }

  /// After a step, whose gradients were not all finite if it overflowed.
  void update(bool overflowed) {
    skips += overflowed;
    if (!isOn() || !s.dynamic)
      return;
    if (overflowed) {
      clean = 0;
      if (++overflows >= s.hysteresis)
        scale = std::max(scale * s.backoff, s.minimum);
    } else if (++clean == s.interval) {
      clean = overflows = 0;
      scale *= s.growth;
      if (s.maximum > 0)
        scale = std::min(scale, s.maximum);
    }
  }

private:
  const ColoLossScale &s;
  double scale;
  int64_t clean = 0, overflows = 0, skips = 0, lost = 0;
};

} // namespace colo::runtime

#endif // COLO_RUNTIME_LOSSSCALE_H
