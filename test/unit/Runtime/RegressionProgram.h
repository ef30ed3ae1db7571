//===- RegressionProgram.h - a hand-written program --------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler would emit for a least-squares classifier, by hand: y = x W +
// b against one-hot targets, columns of W cut over the axis "tp" (5 classes,
// padded), gradients summed over replicas, targets with ignored rows, SGD. It
// calls colo_gemm, colo_launch and nccl functions as emitted code does and keeps
// no state outside its frame.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_REGRESSIONPROGRAM_H
#define COLO_TEST_UNIT_RUNTIME_REGRESSIONPROGRAM_H

#include "colo/Runtime/Program.h"

#include <string>
#include <vector>

namespace colo::runtime::testing {

struct RegressionShape {
  int32_t dtype = COLO_F64;
  int64_t tensor = 1;
  int64_t batch = 6, micro = 2, accumulation = 1;
};

/// Where a test makes the program misbehave.
enum class Fault { None, OtherCount, SkipCollective, DivergeReplica, NanLoss, NanGradient };

/// The program lives as long as the object; only one exists at a time, because
/// the step function has no argument of its own to find the shape.
class RegressionProgram {
public:
  explicit RegressionProgram(const RegressionShape &shape, Fault fault = Fault::None);
  ~RegressionProgram();
  const ColoProgram *get() const { return &program; }

  /// Runs the executable's main with these flags.
  int run(std::vector<std::string> flags) const;

private:
  ColoProgram program = {};
  ColoAxis axis = {};
  ColoParam params[2] = {};
  ColoSegment segments[2] = {};
  ColoComm comms[2] = {};
  ColoGemm gemms[2] = {};
  ColoInput inputs[2] = {};
  ColoMetric metrics[1] = {};
  ColoSite sites[3] = {};
};

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_REGRESSIONPROGRAM_H
