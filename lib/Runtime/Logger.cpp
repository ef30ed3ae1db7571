//===- Logger.cpp - progress and metrics -------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Logger.h.
//
//===----------------------------------------------------------------------===//

#include "Logger.h"
#include "colo/Runtime/OutputFile.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <unistd.h>

namespace colo::runtime {

Logger::~Logger() {
  endLine();
  if (file)
    fclose(file);
}

Status Logger::open(const ColoProgram &p, const std::string &logPath, bool isQuiet) {
  program = &p;
  path = logPath;
  quiet = isQuiet;
  terminal = isatty(STDOUT_FILENO);
  for (int64_t i = 0; i < p.metricCount; ++i)
    if (std::strcmp(p.metrics[i].name, "loss") == 0)
      loss = i;
  if (path.empty())
    return Status::ok();
  if (path == "-") {
    // Records take the place of the lines for people.
    quiet = true;
    int copy = dup(STDOUT_FILENO);
    file = copy < 0 ? nullptr : fdopen(copy, "w");
  } else {
    file = fopen(path.c_str(), "we");
  }
  if (!file)
    return OutputFile::problem(path, errno);
  buffer.resize(1 << 16);
  setvbuf(file, buffer.data(), _IOFBF, buffer.size());
  return Status::ok();
}

/// JSON has no NaN and no infinity.
static void writeNumber(FILE *file, const char *name, double value) {
  if (std::isfinite(value))
    fprintf(file, ", \"%s\": %.17g", name, value);
  else
    fprintf(file, ", \"%s\": null", name);
}

void Logger::endLine() {
  if (lineOpen)
    fputc('\n', stdout);
  lineOpen = false;
}

Status Logger::endRecord() {
  fputs("}\n", file);
  return fflush(file) == 0 && !ferror(file) ? Status::ok() : OutputFile::problem(path, errno);
}

Status Logger::note(const std::string &text) {
  if (quiet || text.empty())
    return Status::ok();
  printf("%s\n", text.c_str());
  return flushOutput();
}

Status Logger::step(const StepRecord &r) {
  if (file) {
    fprintf(file, "{\"step\": %lld", static_cast<long long>(r.step));
    for (int64_t i = 0; i < program->metricCount; ++i)
      writeNumber(file, program->metrics[i].name, r.metrics[i]);
    writeNumber(file, "lr", r.lr);
    writeNumber(file, "grad_norm", r.gradNorm);
    writeNumber(file, "tokens_per_s", r.tokensPerSecond);
    if (r.lossScale > 0) {
      writeNumber(file, "loss_scale", r.lossScale);
      fprintf(file, ", \"skipped\": %s", r.overflowed ? "true" : "false");
    }
    if (Status status = endRecord(); status.failed())
      return status;
  }
  int64_t every = terminal ? 1 : std::max<int64_t>(1, r.steps / 20);
  if (quiet || (r.step != 1 && r.step != r.steps && r.step % every && std::isfinite(r.metrics[loss])))
    return Status::ok();
  if (terminal)
    fputc('\r', stdout);
  printf("step %lld/%lld", static_cast<long long>(r.step), static_cast<long long>(r.steps));
  for (int64_t i = 0; i < program->metricCount; ++i)
    printf("  %s %.4f", program->metrics[i].name, r.metrics[i]);
  printf("  lr %.3g  grad ", r.lr);
  if (r.overflowed)
    fputc('-', stdout); // the norm is of nothing that is used
  else
    printf("%.3f", r.gradNorm);
  printf("  %.0f tokens/s", r.tokensPerSecond);
  if (r.lossScale > 0)
    printf("  scale %.6g%s", r.lossScale, r.overflowed ? ", skipped" : "");
  fputs(terminal ? "\033[K" : "\n", stdout);
  lineOpen = terminal;
  return flushOutput();
}

Status Logger::evaluation(int64_t step, const double *metrics, int64_t batches) {
  if (file) {
    fprintf(file, "{\"step\": %lld, \"eval_batches\": %lld", static_cast<long long>(step),
            static_cast<long long>(batches));
    for (int64_t i = 0; i < program->metricCount; ++i) {
      fprintf(file, ", \"eval_%s\": ", program->metrics[i].name);
      if (std::isfinite(metrics[i]))
        fprintf(file, "%.17g", metrics[i]);
      else
        fputs("null", file);
    }
    if (Status status = endRecord(); status.failed())
      return status;
  }
  if (quiet)
    return Status::ok();
  endLine();
  printf("evaluation at step %lld:", static_cast<long long>(step));
  for (int64_t i = 0; i < program->metricCount; ++i)
    printf("  %s %.4f", program->metrics[i].name, metrics[i]);
  fputc('\n', stdout);
  return flushOutput();
}

} // namespace colo::runtime
