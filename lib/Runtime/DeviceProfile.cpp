//===- DeviceProfile.cpp - where a device's time goes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Profile.h. What the compute stream does one after the other, and its waits, make
// the step; collectives of other streams run beside it. A kernel's floor is the time
// that its bytes take at the rate of the device's memory, a product's that, or the
// flops' at the rate of a large square product, whichever is longer.
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "colo/Runtime/Arena.h"
#include "colo/Runtime/Data.h"
#include "colo/Runtime/Products.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace colo::runtime {

/// Calls that may be marked before the host waits to add them up.
static constexpr int64_t kSpans = 4096;
static constexpr int64_t kLargeProduct = 4096, kSmallProduct = 16;

int64_t Profile::streamOf(Kind kind, uintptr_t key) const {
  if (kind != Collective || key >= static_cast<uintptr_t>(program.siteCount))
    return COLO_STREAM_COMPUTE;
  return program.comms[program.sites[key].comm].stream;
}

Status Profile::prepare(char *memory, int64_t bytes) {
  if (Status status = device.makeMarks(2 * kSpans); status.failed() || !isOnStreams())
    return status;
  spans.reserve(kSpans);
  for (int64_t i = 0; i < program.gemmCount; ++i)
    if (!flopRate.count(program.gemms[i].dtype))
      if (Status status = measureProducts(program.gemms[i].dtype, memory, bytes); status.failed())
        return status;
  return Status::ok();
}

static ColoGemm squareProduct(int32_t dtype, int64_t size) {
  ColoGemm gemm{};
  gemm.dtype = gemm.resultDtype = dtype;
  gemm.m = gemm.n = gemm.k = gemm.am = gemm.bk = gemm.cm = size;
  gemm.ak = gemm.bn = gemm.cn = 1;
  gemm.source = "a product of --profile";
  return gemm;
}

/// Numbers of neither much more than 1 nor 0, in any of the types: GPUs multiply zeros faster.
static std::vector<char> someNumbers(int32_t dtype, int64_t count) {
  std::vector<char> numbers(count * typeSize(dtype));
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    double value = 0.5 + (state >> 9) * 0x1p-24;
    auto narrow = static_cast<float>(value);
    // From 1/2 on: the upper bits of the fraction.
    uint16_t half = dtype == COLO_BF16 ? 0x3F00 + (state >> 25) : 0x3800 + (state >> 22);
    const void *from = dtype == COLO_F64 ? static_cast<const void *>(&value) : dtype == COLO_F32 ? &narrow : nullptr;
    std::memcpy(numbers.data() + i * typeSize(dtype), from ? from : &half, typeSize(dtype));
  }
  return numbers;
}

Status Profile::measureProducts(int32_t dtype, char *memory, int64_t bytes) {
  flopRate[dtype] = 0;
  for (int64_t size = kLargeProduct; size >= kSmallProduct; size /= 2) {
    int64_t matrix = size * size * typeSize(dtype);
    if (3 * matrix > bytes)
      continue;
    ColoGemm gemm = squareProduct(dtype, size);
    std::unique_ptr<Products> products = device.makeProducts();
    if (Status status = products->prepare(&gemm, 1); status.failed())
      return status;
    int64_t scratch = roundTo(kScratchAlignment, 3 * matrix);
    if (scratch + products->scratchBytes() > bytes)
      continue;
    products->useScratch(memory + scratch);
    std::vector<char> numbers = someNumbers(dtype, 2 * size * size);
    device.write(memory, numbers.data(), 2 * matrix);
    for (int repetition = 0; repetition < 4; ++repetition) {
      device.mark(0, COLO_STREAM_COMPUTE);
      products->run(0, {memory, memory + matrix, memory + 2 * matrix});
      device.mark(1, COLO_STREAM_COMPUTE);
      device.synchronize();
      double seconds = device.secondsBetween(0, 1);
      if (seconds > 0)
        flopRate[dtype] = std::max(flopRate[dtype], static_cast<double>(Products::flops(gemm)) / seconds);
    }
    return Status::ok();
  }
  return Status::ok();
}

void Profile::begin(Kind kind, uintptr_t key, int64_t bytes) {
  if (spans.size() == kSpans)
    collect();
  device.mark(static_cast<int64_t>(2 * spans.size()), streamOf(kind, key));
  spans.push_back({kind, key, bytes});
}

/// Calls of a rank follow each other.
void Profile::end() {
  const Span &span = spans.back();
  device.mark(static_cast<int64_t>(2 * spans.size() - 1), streamOf(span.kind, span.key));
}

void Profile::collect() {
  if (spans.empty())
    return;
  device.synchronize();
  for (size_t i = 0; i < spans.size(); ++i)
    add(spans[i].kind, spans[i].key,
        {device.secondsBetween(static_cast<int64_t>(2 * i), static_cast<int64_t>(2 * i + 1)), 0}, spans[i].bytes);
  spans.clear();
}

/// Of the operands and the result, each once, and of what an epilogue reads or writes beside them.
static int64_t bytesOf(const ColoGemm &g) {
  int64_t operands = (g.m * g.k + g.k * g.n) * typeSize(g.dtype), results = 1 + (g.beta != 0), vector = 0;
  results += (g.epilogue & COLO_EPILOGUE_ADDEND) != 0;
  results += (g.epilogue & (COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_ARGUMENT)) != 0;
  if (g.epilogue & (COLO_EPILOGUE_BIAS | COLO_EPILOGUE_SUM_B))
    vector += g.n;
  if (g.epilogue & COLO_EPILOGUE_SUM_A)
    vector += g.m;
  return batchSize(g) * operands + (batchSize(g) * g.m * g.n * results + vector) * typeSize(g.resultDtype);
}

double Profile::floorOf(const Entry &entry) const {
  double rate = device.memoryRate();
  auto calls = static_cast<double>(entry.calls);
  if (rate <= 0)
    return 0;
  if (entry.kind == Kernel)
    return static_cast<double>(entry.bytes) / rate;
  if (entry.kind != Product)
    return 0;
  const ColoGemm &gemm = program.gemms[entry.key];
  double flops = flopRate.at(gemm.dtype), computing = static_cast<double>(Products::flops(gemm));
  return calls * std::max(static_cast<double>(bytesOf(gemm)) / rate, flops > 0 ? computing / flops : 0);
}

static const char *elementTypeName(int32_t dtype) {
  return dtype == COLO_BF16 ? "bf16" : dtype == COLO_F16 ? "f16" : dtype == COLO_F64 ? "f64" : "f32";
}

void Profile::printOnStreams(int64_t steps, const Elapsed &elapsed) const {
  std::vector<Entry> entries = sortedEntries();
  double sums[KindCount] = {}, floors[KindCount] = {}, beside = 0, milliseconds = 1e3 / static_cast<double>(steps);
  for (const Entry &entry : entries) {
    bool isBeside = streamOf(entry.kind, entry.key) != COLO_STREAM_COMPUTE;
    (isBeside ? beside : sums[entry.kind]) += entry.elapsed.clock * milliseconds;
    floors[entry.kind] += floorOf(entry) * milliseconds;
  }
  double step = elapsed.clock * milliseconds, rest = step;
  for (double sum : sums)
    rest -= sum;
  std::printf("profile of rank 0, ms a step: %.3f = products %.3f + kernels %.3f + collectives %.3f + waiting %.3f + "
              "rest %.3f; collectives beside it %.3f\n",
              step, sums[Product], sums[Kernel], sums[Collective], sums[Waiting], rest, beside);
  auto times = [](double sum, double floor) { return floor > 0 ? formatString("%.2f", sum / floor) : "-"; };
  std::printf("times over their floors, at %.0f GB/s", 1e-9 * device.memoryRate());
  for (auto [dtype, rate] : flopRate)
    std::printf(", %.0f GFLOP/s in %s", 1e-9 * rate, elementTypeName(dtype));
  std::printf(": products %s, kernels %s\n", times(sums[Product], floors[Product]).c_str(),
              times(sums[Kernel], floors[Kernel]).c_str());
  std::printf("%10s %7s %8s %8s %8s  %s\n", "ms", "%", "calls", "GB/s", "floors", "what");
  for (const Entry &entry : entries) {
    std::string what = "waiting for a stream", speed = "-";
    if (entry.kind == Product)
      what = describeProduct(program.gemms[entry.key], entry.calls, entry.elapsed.clock);
    else if (entry.kind == Collective)
      what = describeCollective(entry.key);
    else if (entry.kind == Kernel) {
      what = formatString("kernel %s, %lld bytes, %s", program.kernels[entry.key].name,
                          static_cast<long long>(entry.bytes / entry.calls), program.kernels[entry.key].source);
      speed = formatString("%.0f", 1e-9 * static_cast<double>(entry.bytes) / std::max(entry.elapsed.clock, 1e-9));
    }
    bool isBeside = streamOf(entry.kind, entry.key) != COLO_STREAM_COMPUTE;
    std::printf("%10.3f %7.2f %8.1f %8s %8s  %s%s\n", entry.elapsed.clock * milliseconds,
                100 * entry.elapsed.clock / elapsed.clock,
                static_cast<double>(entry.calls) / static_cast<double>(steps), speed.c_str(),
                times(entry.elapsed.clock, floorOf(entry)).c_str(), what.c_str(), isBeside ? ", beside" : "");
  }
}

} // namespace colo::runtime
