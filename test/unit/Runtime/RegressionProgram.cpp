//===- RegressionProgram.cpp - a hand-written program ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See RegressionProgram.h. Sites: 0 counts over dp, 1 loss over dp and tp, 2
// gradients over dp.
//
//===----------------------------------------------------------------------===//

#include "RegressionProgram.h"
#include "Products.h"
#include "colo/Runtime/Nccl.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace colo::runtime::testing {

constexpr int64_t features = 7, classes = 5;

namespace {
struct Current {
  RegressionShape shape;
  Fault fault = Fault::None;
  int64_t localClasses = 0;
  bool onWorkerStream = true;
} current;

template <typename T> struct Views {
  T *weight, *bias, *weightGrad, *biasGrad, *output;
  explicit Views(ColoFrame *f)
      : weight(reinterpret_cast<T *>(f->params)), bias(weight + features * current.localClasses),
        weightGrad(reinterpret_cast<T *>(f->grads)), biasGrad(weightGrad + features * current.localClasses),
        output(reinterpret_cast<T *>(f->workspace)) {}
};

template <typename T> constexpr ncclDataType_t ncclType() { return sizeof(T) == 8 ? ncclFloat64 : ncclFloat32; }

/// Rows of one micro-batch: output <- (output + bias - one_hot) / N where the row
/// counts, 0 elsewhere. args: output, bias, targets, first class, 1 / N, losses.
template <typename T> void residual(void **args, int64_t begin, int64_t end) {
  auto *output = static_cast<T *>(args[0]);
  auto *bias = static_cast<const T *>(args[1]);
  auto *targets = static_cast<const int32_t *>(args[2]);
  int64_t first = reinterpret_cast<int64_t>(args[3]);
  double scale;
  std::memcpy(&scale, &args[4], 8);
  auto *losses = static_cast<double *>(args[5]);
  for (int64_t r = begin; r < end; ++r) {
    double loss = 0;
    for (int64_t c = 0; c < current.localClasses; ++c) {
      T &y = output[r * current.localClasses + c];
      bool counted = targets[r] >= 0 && first + c < classes;
      T error = counted ? y + bias[c] - T(first + c == targets[r]) : T(0);
      loss += 0.5 * error * error * scale;
      y = static_cast<T>(error * scale);
    }
    losses[r] = loss;
  }
}

void countTargets(ColoFrame *f) {
  auto *targets = static_cast<const int32_t *>(f->inputs[1]);
  int64_t count = 0;
  for (int64_t r = 0; r < f->microBatches * current.shape.micro; ++r)
    count += targets[r] >= 0;
  f->counts[0] = count;
  f->site = 0;
  ncclAllReduce(f->counts, f->counts, 1, ncclInt64, ncclSum, static_cast<ncclComm_t>(f->comms[0]), nullptr);
  f->inverseCounts[0] = f->counts[0] ? 1.0 / static_cast<double>(f->counts[0]) : 0;
}

/// Adds the micro-batch's loss; its gradients too when training.
template <typename T> double runMicroBatch(ColoFrame *f, int64_t index, bool training) {
  Views<T> v(f);
  int64_t m = current.shape.micro;
  auto *x = static_cast<const T *>(f->inputs[0]) + index * m * features;
  auto *targets = static_cast<const int32_t *>(f->inputs[1]) + index * m;
  auto *losses = reinterpret_cast<double *>(f->workspace + m * current.localClasses * sizeof(T));
  colo_gemm(f, 0, x, v.weight, v.output);
  void *scale;
  std::memcpy(&scale, &f->inverseCounts[0], 8);
  void *args[] = {
      v.output, v.bias, const_cast<int32_t *>(targets), reinterpret_cast<void *>(f->coords[0] * current.localClasses),
      scale,    losses};
  colo_launch(f, residual<T>, args, m, 1);
  double loss = 0;
  for (int64_t r = 0; r < m; ++r)
    loss += losses[r];
  if (!training)
    return loss;
  colo_gemm(f, 1, x, v.output, v.weightGrad);
  for (int64_t r = 0; r < m; ++r)
    for (int64_t c = 0; c < current.localClasses; ++c)
      v.biasGrad[c] += v.output[r * current.localClasses + c];
  return loss;
}

template <typename T> double reduceGradients(ColoFrame *f) {
  Views<T> v(f);
  int64_t n = (features + 1) * current.localClasses;
  f->site = 2;
  colo_event_record(f, 0, 0);
  colo_stream_wait(f, 1, 0);
  int64_t count = current.fault == Fault::OtherCount && f->replica == 1 ? n - 1 : n;
  if (current.fault != Fault::SkipCollective || f->replica != 1)
    ncclAllReduce(v.weightGrad, v.weightGrad, count, ncclType<T>(), ncclSum, static_cast<ncclComm_t>(f->comms[0]),
                  static_cast<cudaStream_t>(f->streams[1]));
  colo_event_record(f, 1, 1);
  colo_stream_wait(f, 0, 1);
  double norm = 0;
  for (int64_t i = 0; i < n; ++i)
    norm += v.weightGrad[i] * v.weightGrad[i];
  return norm;
}

template <typename T> void forward(ColoFrame *f, bool training) {
  Views<T> v(f);
  int64_t n = (features + 1) * current.localClasses;
  countTargets(f);
  if (training)
    std::memset(v.weightGrad, 0, n * sizeof(T));
  double sums[2] = {0, 0}; // loss, squares of gradients
  for (int64_t i = 0; i < f->microBatches; ++i)
    sums[0] += runMicroBatch<T>(f, i, training);
  double squares = training ? reduceGradients<T>(f) / static_cast<double>(f->dp) : 0;
  sums[1] = squares;
  f->site = 1;
  ncclAllReduce(sums, sums, 2, ncclFloat64, ncclSum, static_cast<ncclComm_t>(f->comms[1]), nullptr);
  f->metrics[0] = current.fault == Fault::NanLoss ? std::numeric_limits<double>::quiet_NaN() : sums[0];
  *f->gradNorm = current.fault == Fault::NanGradient ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(sums[1]);
  if (!training)
    return;
  for (int64_t i = 0; i < n; ++i)
    v.weight[i] -= static_cast<T>(f->lr) * v.weightGrad[i];
  if (current.fault == Fault::DivergeReplica && f->replica == 1)
    v.weight[0] += T(1e-6);
}

void step(ColoFrame *f) { current.shape.dtype == COLO_F64 ? forward<double>(f, true) : forward<float>(f, true); }
void evaluate(ColoFrame *f) { current.shape.dtype == COLO_F64 ? forward<double>(f, false) : forward<float>(f, false); }

ColoGemm product(int32_t dtype, int64_t m, int64_t n, int64_t k, int64_t am, int64_t ak, double beta) {
  ColoGemm g = dense(dtype, m, n, k);
  g.am = am;
  g.ak = ak;
  g.beta = beta;
  g.source = "Regression.fc regression.colo:3:5";
  return g;
}
} // namespace

static void describeParams(const RegressionShape &shape, ColoParam (&params)[2], ColoSegment (&segments)[2]) {
  int64_t local = current.localClasses, padded = local * shape.tensor;
  ColoDimAxes whole = {}, cut = {};
  cut.count = 1;
  params[0].name = "fc.weight";
  params[0].rank = params[0].fileRank = 2;
  params[0].init = COLO_INIT_NORMAL;
  params[0].initA = 0.5;
  params[1].name = "fc.bias";
  params[1].rank = params[1].fileRank = 1;
  params[1].init = COLO_INIT_UNIFORM;
  params[1].initA = -0.5;
  params[1].initB = 0.5;
  params[1].offset = features * local;
  int64_t sizes[2][3] = {{features, features, features}, {classes, padded, local}};
  for (int p = 0; p < 2; ++p) {
    for (int d = 0; d < params[p].rank; ++d) {
      bool isClasses = p == 1 || d == 1;
      params[p].shape[d] = params[p].fileShape[d] = sizes[isClasses][0];
      params[p].padded[d] = sizes[isClasses][1];
      params[p].local[d] = sizes[isClasses][2];
      params[p].dims[d] = isClasses ? cut : whole;
    }
    params[p].layers = 1;
    params[p].segment = p;
  }
  segments[0] = {0, features * local, 0, 1, 0, 0};
  segments[1] = {features * local, (features + 1) * local, 0, 0, 0, 0};
}

RegressionProgram::RegressionProgram(const RegressionShape &shape, Fault fault) {
  int64_t local = (classes + shape.tensor - 1) / shape.tensor;
  current = {shape, fault, local, true};
  axis = {"tp", shape.tensor, 0};
  describeParams(shape, params, segments);
  comms[0].name = "dp";
  comms[0].dataParallel = 1;
  comms[1].name = "dp,tp";
  comms[1].dataParallel = 1;
  comms[1].axes.count = 1;
  gemms[0] = product(shape.dtype, shape.micro, local, features, features, 1, 0);
  gemms[1] = product(shape.dtype, features, local, shape.micro, 1, features, 1);
  inputs[0] = {"x", shape.dtype, 2, {shape.micro, features}, 0, INT64_MIN};
  inputs[1] = {"target", COLO_I32, 1, {shape.micro}, classes, -100};
  metrics[0] = {"loss"};
  sites[0] = {"all_reduce", "count regression.colo:9:1", "update", 0, -1, 1};
  sites[1] = {"all_reduce", "loss regression.colo:9:1", "update", 1, -1, 1};
  sites[2] = {"all_reduce", "gradients of Regression.fc regression.colo:3:5", "update", 0, -1, 1};
  program.abi = COLO_ABI_VERSION;
  program.model = "Regression";
  program.build = "test";
  program.dtype = shape.dtype;
  program.axisCount = 1;
  program.axes = &axis;
  program.pipeline = 1;
  program.batchSize = shape.batch;
  program.microBatch = shape.micro;
  program.accumulation = shape.accumulation;
  program.seed = 1;
  program.paramElements = (features + 1) * local;
  program.workspaceBytes = shape.micro * local * (shape.dtype == COLO_F64 ? 8 : 4) + shape.micro * 8;
  program.termCount = 1;
  program.streamCount = program.eventCount = 2;
  program.paramCount = program.segmentCount = program.commCount = program.gemmCount = program.inputCount = 2;
  program.metricCount = 1;
  program.siteCount = 3;
  program.params = params;
  program.segments = segments;
  program.comms = comms;
  program.gemms = gemms;
  program.inputs = inputs;
  program.metrics = metrics;
  program.sites = sites;
  program.optimizer = {COLO_SGD, COLO_LR_CONSTANT, 0.3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  program.plan = "plan text\n";
  program.step = step;
  program.evaluate = evaluate;
  program.device = colo_cpu_device;
}

RegressionProgram::~RegressionProgram() { current = {}; }

int RegressionProgram::run(std::vector<std::string> flags) const {
  std::vector<char *> argv;
  flags.insert(flags.begin(), "regression");
  for (std::string &flag : flags)
    argv.push_back(flag.data());
  return colo_main(static_cast<int>(argv.size()), argv.data(), &program);
}

} // namespace colo::runtime::testing
