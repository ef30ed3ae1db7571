//===- HighLevel.cpp - high-level ops by their definitions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Row by row, in the textbook's order. Gradients are products with the whole
// Jacobian of a row, not the shortened formulas that compilers use.
//
//===----------------------------------------------------------------------===//

#include "ColoInterpreter.h"
#include <cmath>

using namespace mlir;
using namespace colo;
using namespace colo::test;

namespace {
/// The rows of a tensor along its last dim.
struct Rows {
  explicit Rows(const Tensor &x) : width(x.shape.back()), count(x.size() / x.shape.back()) {}
  int64_t width, count;
};
} // namespace

static double maximumOf(const double *x, int64_t n) { return *std::max_element(x, x + n); }

static double logSumExp(const double *x, int64_t n) {
  double maximum = maximumOf(x, n), sum = 0.0;
  for (int64_t i = 0; i < n; ++i)
    sum += std::exp(x[i] - maximum);
  return maximum + std::log(sum);
}

//===----------------------------------------------------------------------===//
// Normalisations
//===----------------------------------------------------------------------===//

static Tensor softmax(const Tensor &x, bool logarithm) {
  Rows rows(x);
  Tensor y(x.shape);
  for (int64_t r = 0; r < rows.count; ++r) {
    double lse = logSumExp(&x.data[r * rows.width], rows.width);
    for (int64_t i = r * rows.width; i < (r + 1) * rows.width; ++i)
      y[i] = logarithm ? x[i] - lse : std::exp(x[i] - lse);
  }
  return y;
}

static Tensor softmaxGrad(const Tensor &y, const Tensor &d, bool logarithm) {
  Rows rows(y);
  Tensor dx(y.shape);
  for (int64_t r = 0; r < rows.count; ++r)
    for (int64_t i = r * rows.width; i < (r + 1) * rows.width; ++i)
      for (int64_t j = r * rows.width; j < (r + 1) * rows.width; ++j) {
        double same = i == j;
        dx[i] += d[j] * (logarithm ? same - std::exp(y[i]) : y[j] * (same - y[i]));
      }
  return dx;
}

static std::vector<Tensor> layerNorm(LayerNormOp op, const Tensor &x) {
  Rows rows(x);
  Tensor y(x.shape), mean = emptyLike(op.getMean()), rstd = emptyLike(op.getRstd());
  for (int64_t r = 0; r < rows.count; ++r) {
    const double *row = &x.data[r * rows.width];
    double variance = 0.0;
    for (int64_t i = 0; i < rows.width; ++i)
      mean[r] += row[i] / rows.width;
    for (int64_t i = 0; i < rows.width; ++i)
      variance += (row[i] - mean[r]) * (row[i] - mean[r]) / rows.width;
    rstd[r] = 1.0 / std::sqrt(variance + op.getEps().convertToDouble());
    for (int64_t i = 0; i < rows.width; ++i)
      y[r * rows.width + i] = (row[i] - mean[r]) * rstd[r];
  }
  return {y, mean, rstd};
}

static Tensor layerNormGrad(const Tensor &x, const Tensor &mean, const Tensor &rstd, const Tensor &d) {
  Rows rows(x);
  Tensor dx(x.shape);
  for (int64_t r = 0; r < rows.count; ++r)
    for (int64_t i = r * rows.width; i < (r + 1) * rows.width; ++i)
      for (int64_t j = r * rows.width; j < (r + 1) * rows.width; ++j) {
        double yi = (x[i] - mean[r]) * rstd[r], yj = (x[j] - mean[r]) * rstd[r];
        dx[i] += d[j] * rstd[r] * ((i == j) - (1.0 + yi * yj) / rows.width);
      }
  return dx;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// The probabilities of one op, before and after dropout, element by element.
template <typename OpT> class Probabilities {
public:
  /// `x` are the op's operands.
  Probabilities(OpT op, ArrayRef<Tensor> x, const Machine &machine, int64_t layer)
      : op(op), q(x[0]), k(x[1]), mask(op.getMask() ? &operand(op.getMask(), x) : nullptr), machine(machine),
        layer(layer), batch(q.shape[0]), heads(q.shape[2]), rows(q.shape[1]), keys(k.shape[1]), size(q.shape[3]),
        keyHeads(k.shape[2]) {}

  const Tensor &operand(Value value, ArrayRef<Tensor> x) {
    return x[llvm::find(op->getOperands(), value) - op->getOperands().begin()];
  }
  int64_t queryAt(int64_t b, int64_t s, int64_t a, int64_t d) { return ((b * rows + s) * heads + a) * size + d; }
  int64_t keyAt(int64_t b, int64_t t, int64_t a, int64_t d) {
    return ((b * keys + t) * keyHeads + a / (heads / keyHeads)) * size + d;
  }
  int64_t rowAt(int64_t b, int64_t a, int64_t s) { return (b * heads + a) * rows + s; }

  bool isVisible(int64_t b, int64_t s, int64_t t) {
    ArrayAttr positions = op.getPositionsAttr();
    if (mask && (*mask)[b * keys + t] == 0.0)
      return false;
    return !op.getCausal() ||
           globalPosition(positions, 3, t, keys, machine) <= globalPosition(positions, 2, s, rows, machine);
  }
  double score(int64_t b, int64_t a, int64_t s, int64_t t) {
    double sum = 0.0;
    for (int64_t d = 0; d < size; ++d)
      sum += q[queryAt(b, s, a, d)] * k[keyAt(b, t, a, d)];
    return sum * op.getScale().convertToDouble();
  }
  double kept(double x, int64_t b, int64_t a, int64_t s, int64_t t) {
    double rate = op.getDropout().convertToDouble();
    return rate == 0.0 ? x
                       : dropOut(x, rate, op.getId(), op.getPositionsAttr(), {b, a, s, t}, {batch, heads, rows, keys},
                                 machine, layer);
  }

  template <typename Visit> void forEachRow(Visit visit) {
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t a = 0; a < heads; ++a)
        for (int64_t s = 0; s < rows; ++s)
          visit(b, a, s);
  }

  OpT op;
  const Tensor &q, &k, *mask;
  const Machine &machine;
  int64_t layer, batch, heads, rows, keys, size, keyHeads;
};
} // namespace

static std::vector<Tensor> attention(AttentionOp op, ArrayRef<Tensor> x, const Machine &machine, int64_t layer) {
  Probabilities<AttentionOp> p(op, x, machine, layer);
  const Tensor &v = x[2];
  Tensor o(x[0].shape), lse = emptyLike(op.getLse());
  bool isMore = !op.getInto().empty();
  p.forEachRow([&](int64_t b, int64_t a, int64_t s) {
    std::vector<double> scores;
    for (int64_t t = 0; t < p.keys; ++t)
      if (p.isVisible(b, s, t))
        scores.push_back(p.score(b, a, s, t));
    // What other keys gave is one more score with an output of its own.
    double other = isMore ? p.operand(op.getInto()[1], x)[p.rowAt(b, a, s)] : 0.0;
    if (isMore)
      scores.push_back(other);
    if (scores.empty())
      return;
    lse[p.rowAt(b, a, s)] = logSumExp(scores.data(), static_cast<int64_t>(scores.size()));
    for (int64_t d = 0; isMore && d < p.size; ++d)
      o[p.queryAt(b, s, a, d)] =
          std::exp(other - lse[p.rowAt(b, a, s)]) * p.operand(op.getInto()[0], x)[p.queryAt(b, s, a, d)];
    for (int64_t t = 0; t < p.keys; ++t)
      if (p.isVisible(b, s, t)) {
        double weight = p.kept(std::exp(p.score(b, a, s, t) - lse[p.rowAt(b, a, s)]), b, a, s, t);
        for (int64_t d = 0; d < p.size; ++d)
          o[p.queryAt(b, s, a, d)] += weight * v[p.keyAt(b, t, a, d)];
      }
  });
  return {o, lse};
}

static std::vector<Tensor> attentionGrad(AttentionGradOp op, ArrayRef<Tensor> x, const Machine &machine,
                                         int64_t layer) {
  Probabilities<AttentionGradOp> p(op, x, machine, layer);
  const Tensor &q = x[0], &k = x[1], &v = x[2], &lse = x[3], &gradient = x[4];
  double scale = op.getScale().convertToDouble();
  auto start = [&](Value sum, const Tensor &like) { return sum ? p.operand(sum, x) : Tensor(like.shape); };
  Tensor dq = start(op.getDquerySum(), q), dk = start(op.getDkeySum(), k), dv = start(op.getDvalueSum(), v);
  p.forEachRow([&](int64_t b, int64_t a, int64_t s) {
    std::vector<double> weights(p.keys), slopes(p.keys);
    for (int64_t t = 0; t < p.keys; ++t) {
      if (!p.isVisible(b, s, t))
        continue;
      weights[t] = std::exp(p.score(b, a, s, t) - lse[p.rowAt(b, a, s)]);
      for (int64_t d = 0; d < p.size; ++d) {
        double g = gradient[p.queryAt(b, s, a, d)];
        dv[p.keyAt(b, t, a, d)] += p.kept(weights[t], b, a, s, t) * g;
        slopes[t] += g * v[p.keyAt(b, t, a, d)];
      }
      slopes[t] = p.kept(slopes[t], b, a, s, t);
    }
    for (int64_t t = 0; t < p.keys; ++t) {
      double ds = 0.0;
      for (int64_t u = 0; u < p.keys; ++u)
        ds += slopes[u] * weights[u] * ((t == u) - weights[t]);
      for (int64_t d = 0; d < p.size; ++d) {
        dq[p.queryAt(b, s, a, d)] += ds * scale * k[p.keyAt(b, t, a, d)];
        dk[p.keyAt(b, t, a, d)] += ds * scale * q[p.queryAt(b, s, a, d)];
      }
    }
  });
  return {dq, dk, dv};
}

//===----------------------------------------------------------------------===//
// Classification
//===----------------------------------------------------------------------===//

static std::vector<Tensor> crossEntropy(CrossEntropyOp op, const Tensor &z, const Tensor &targets) {
  Rows rows(z);
  int64_t classes = op.getClasses();
  double smoothing = op.getLabelSmoothing().convertToDouble();
  Tensor losses(targets.shape), weights(targets.shape), lse(targets.shape);
  for (int64_t r = 0; r < rows.count; ++r) {
    const double *row = &z.data[r * rows.width];
    lse[r] = logSumExp(row, classes);
    if (targets[r] == static_cast<int64_t>(op.getIgnoreIndex()))
      continue;
    weights[r] = 1.0;
    losses[r] = lse[r] - (1.0 - smoothing) * row[static_cast<int64_t>(targets[r])];
    for (int64_t i = 0; i < classes; ++i)
      losses[r] -= smoothing / classes * row[i];
  }
  return {losses, weights, lse};
}

static Tensor crossEntropyGrad(CrossEntropyGradOp op, ArrayRef<Tensor> x) {
  const Tensor &z = x[0], &targets = x[1], &lse = x[2], &d = x[3];
  Rows rows(z);
  int64_t classes = op.getClasses();
  double smoothing = op.getLabelSmoothing().convertToDouble();
  Tensor dz(z.shape);
  for (int64_t r = 0; r < rows.count; ++r) {
    if (targets[r] == static_cast<int64_t>(op.getIgnoreIndex()))
      continue;
    for (int64_t i = 0; i < classes; ++i) {
      double expected = smoothing / classes + (i == targets[r] ? 1.0 - smoothing : 0.0);
      dz[r * rows.width + i] = d[r] * (std::exp(z[r * rows.width + i] - lse[r]) - expected);
    }
  }
  return dz;
}

static std::vector<Tensor> correct(CorrectOp op, const Tensor &z, const Tensor &targets) {
  Rows rows(z);
  Tensor hits(targets.shape), weights(targets.shape);
  for (int64_t r = 0; r < rows.count; ++r) {
    if (targets[r] == static_cast<int64_t>(op.getIgnoreIndex()))
      continue;
    const double *row = &z.data[r * rows.width];
    weights[r] = 1.0;
    hits[r] = row[static_cast<int64_t>(targets[r])] == maximumOf(row, op.getClasses());
  }
  return {hits, weights};
}

static Tensor weightedMean(WeightedMeanOp op, const Tensor &values, const Tensor &weights, const Machine &machine) {
  Tensor result((ArrayRef<int64_t>()));
  for (int64_t i = 0; i < values.size(); ++i)
    result[0] += values[i] * weights[i];
  result[0] *= machine.inverseCounts.at(op.getTerm());
  return result;
}

bool test::evaluateHighLevel(Operation *op, ArrayRef<Tensor> x, std::vector<Tensor> &results, const Machine &machine,
                             int64_t layer) {
  if (auto softmaxOp = dyn_cast<SoftmaxOp>(op))
    results = {softmax(x[0], softmaxOp.getLogarithm())};
  else if (auto gradOp = dyn_cast<SoftmaxGradOp>(op))
    results = {softmaxGrad(x[0], x[1], gradOp.getLogarithm())};
  else if (auto norm = dyn_cast<LayerNormOp>(op))
    results = layerNorm(norm, x[0]);
  else if (isa<LayerNormGradOp>(op))
    results = {layerNormGrad(x[0], x[1], x[2], x[3])};
  else if (auto attentionOp = dyn_cast<AttentionOp>(op))
    results = attention(attentionOp, x, machine, layer);
  else if (auto attentionGradOp = dyn_cast<AttentionGradOp>(op))
    results = attentionGrad(attentionGradOp, x, machine, layer);
  else if (auto loss = dyn_cast<CrossEntropyOp>(op))
    results = crossEntropy(loss, x[0], x[1]);
  else if (auto lossGrad = dyn_cast<CrossEntropyGradOp>(op))
    results = {crossEntropyGrad(lossGrad, x)};
  else if (auto correctOp = dyn_cast<CorrectOp>(op))
    results = correct(correctOp, x[0], x[1]);
  else if (auto mean = dyn_cast<WeightedMeanOp>(op))
    results = {weightedMean(mean, x[0], x[1], machine)};
  return !results.empty();
}
