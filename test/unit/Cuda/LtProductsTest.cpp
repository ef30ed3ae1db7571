//===- LtProductsTest.cpp - products on a GPU against plain loops ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All of ProductCases.h through cuBLASLt's interface, on whichever libcuda.so.1 and
// libcublasLt.so the loader finds: a GPU's, or the stand-ins of test/double.
// Operands start at multiples of 16 bytes and elsewhere.
//
//===----------------------------------------------------------------------===//

#include "CUDA/LtProducts.h"
#include "EpilogueCases.h"

#include <cmath>
#include <gtest/gtest.h>
#include <utility>

using namespace colo::runtime;
using namespace colo::runtime::cuda;
using namespace colo::runtime::testing;

namespace {

const ::testing::ExitedWithCode internalError(ExitInternal);

/// The GPU, its memory in one piece, and a stream.
struct Gpu {
  static constexpr size_t bytes = size_t(40) << 20;
  Address memory = 0;
  CudaStream stream = nullptr;

  Gpu() {
    Status status = loadDriver();
    if (status.failed())
      failProcess(status);
    int device = 0;
    Context context = nullptr;
    cuda::check(driver().cuDeviceGet(&device, 0), "cuDeviceGet");
    cuda::check(driver().cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    cuda::check(driver().cuCtxSetCurrent(context), "cuCtxSetCurrent");
    cuda::check(driver().cuMemAlloc_v2(&memory, bytes), "cuMemAlloc");
    cuda::check(driver().cuStreamCreate(&stream, kNonBlockingStream), "cuStreamCreate");
  }
  void write(Address to, const void *from, size_t count) {
    cuda::check(driver().cuMemcpyHtoD_v2(to, from, count), "cuMemcpyHtoD");
    cuda::check(driver().cuCtxSynchronize(), "cuCtxSynchronize");
  }
  void read(void *to, Address from, size_t count) {
    cuda::check(driver().cuStreamSynchronize(stream), "cuStreamSynchronize");
    cuda::check(driver().cuMemcpyDtoH_v2(to, from, count), "cuMemcpyDtoH");
  }
};

Gpu &gpu() {
  static Gpu instance;
  return instance;
}

void *pointerTo(Address address) { return reinterpret_cast<void *>(address); } // NOLINT(performance-no-int-to-ptr)

/// With operands and result `shift` elements behind a multiple of 256 bytes.
template <typename T> void check(const ColoGemm &g, const char *what, size_t shift) {
  Operands<T> operands(7);
  std::vector<T> expected = operands.c, result = operands.c;
  naive(g, operands.a.data(), operands.b.data(), expected);
  LtProducts products;
  products.setStream(gpu().stream);
  Status status = products.prepare(&g, 1);
  ASSERT_FALSE(status.failed()) << what << ": " << status.message;
  size_t bytes = result.size() * sizeof(T), room = (bytes + shift * sizeof(T) + 255) / 256 * 256;
  Address a = gpu().memory + shift * sizeof(T), b = a + room, c = b + room, scratch = gpu().memory + 3 * room;
  ASSERT_LE(3 * room + products.scratchBytes(), Gpu::bytes);
  products.useScratch(static_cast<char *>(pointerTo(scratch)));
  gpu().write(a, operands.a.data(), bytes);
  gpu().write(b, operands.b.data(), bytes);
  gpu().write(c, operands.c.data(), bytes);
  products.run(0, {pointerTo(a), pointerTo(b), pointerTo(c)});
  gpu().read(result.data(), c, bytes);
  double tolerance = (sizeof(T) == 4 ? 1e-5 : 1e-13) * std::sqrt(static_cast<double>(g.k));
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(result[i], expected[i], tolerance) << what << " at " << i << ", shifted by " << shift;
}

void checkBoth(ColoGemm g, const char *what) {
  for (double beta : {0.0, 1.0})
    for (size_t shift : {0, 1}) {
      g.beta = beta;
      g.dtype = g.resultDtype = COLO_F32;
      check<float>(g, what, shift);
      g.dtype = g.resultDtype = COLO_F64;
      check<double>(g, what, shift);
    }
}

TEST(LtProducts, densePlain) { forDense(checkBoth); }
TEST(LtProducts, rowsFurtherApartThanTheirLength) { forWideRows(checkBoth); }
TEST(LtProducts, batches) { forBatches(checkBoth); }
TEST(LtProducts, headsInsideAFusedProjection) { forHeads(checkBoth); }
TEST(LtProducts, anOperandSharedByTheBatch) { forSharedOperand(checkBoth); }

/// Each array in a part of its own of the GPU's memory, `shift` elements behind a multiple of 256 bytes.
class Placed {
public:
  explicit Placed(size_t shift) : shift(shift) {}
  template <typename T> void *put(const std::vector<T> &array) {
    Address at = next + shift * sizeof(T);
    next = (at + array.size() * sizeof(T) + 255) / 256 * 256;
    gpu().write(at, array.data(), array.size() * sizeof(T));
    return pointerTo(at);
  }
  /// At a multiple of 256 bytes.
  template <typename T> void *putEven(const std::vector<T> &array) {
    size_t before = std::exchange(shift, 0);
    void *at = put(array);
    shift = before;
    return at;
  }
  char *scratch() const { return static_cast<char *>(pointerTo(next)); }

private:
  size_t shift;
  Address next = gpu().memory;
};

TEST(LtProducts, biasesAddendsAndActivationsBeforeTheResultIsRounded) {
  for (size_t shift : {0, 1})
    forEpilogues([&](const ColoGemm &g, auto product, const char *what) {
      LtProducts products;
      products.setStream(gpu().stream);
      Status status = products.prepare(&g, 1);
      ASSERT_FALSE(status.failed()) << what << ": " << status.message;
      Placed placed(shift);
      void *a = placed.put(product.a), *b = placed.put(product.b), *c = placed.put(product.c);
      void *bias = placed.put(product.bias), *addend = placed.put(product.addend);
      void *aux = placed.putEven(product.aux);
      void *sums = product.sums.empty() ? nullptr : placed.put(product.sums);
      products.useScratch(placed.scratch());
      products.run(0, {a, b, c, bias, addend, sums, aux});
      gpu().read(product.c.data(), reinterpret_cast<Address>(c), product.c.size() * sizeof(product.c[0]));
      gpu().read(product.aux.data(), reinterpret_cast<Address>(aux), product.aux.size() * sizeof(product.aux[0]));
      if (sums)
        gpu().read(product.sums.data(), reinterpret_cast<Address>(sums), product.sums.size() * sizeof(product.sums[0]));
      product.expectResult(g, what);
    });
}

TEST(LtProducts, scratchMemoryThatIsNotAtAMultipleOf256IsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ColoGemm g = dense(COLO_F32, 8, 12, 10);
  LtProducts products;
  products.setStream(gpu().stream);
  ASSERT_FALSE(products.prepare(&g, 1).failed());
  Address a = gpu().memory, b = a + 4096, c = b + 4096, scratch = c + 4096;
  products.useScratch(static_cast<char *>(pointerTo(scratch)));
  products.run(0, {pointerTo(a), pointerTo(b), pointerTo(c)});
  products.useScratch(static_cast<char *>(pointerTo(scratch + 64)));
  EXPECT_EXIT(products.run(0, {pointerTo(a), pointerTo(b), pointerTo(c)}), internalError, "cublasLtMatmul: status 7");
}

struct Lacking {
  explicit Lacking(const char *what) { setenv("COLO_DOUBLE_LACKS", what, 1); }
  ~Lacking() { unsetenv("COLO_DOUBLE_LACKS"); }
};

TEST(LtProducts, aLibraryForMultiplesOf16BytesAloneDoesUntilAProductIsElsewhere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Lacking lacking("alignments");
  ColoGemm g = dense(COLO_F32, 8, 12, 10);
  g.source = "model.colo:7";
  check<float>(g, "at multiples of 16 bytes", 0);
  EXPECT_EXIT(check<float>(g, "elsewhere", 1), internalError,
              "no product 8 x 12 x 10 .* at places that are no multiples of 16 bytes for model.colo:7: status 15");
  // The second product of its loop is elsewhere wherever the first is.
  ColoGemm loop = batched(g, 2, 3);
  loop.aBatch[0] += 7;
  LtProducts products;
  Status status = products.prepare(&loop, 1);
  ASSERT_TRUE(status.failed());
  EXPECT_NE(status.message.find("at places that are no multiples of 16 bytes for model.colo:7"), std::string::npos);
}

TEST(LtProducts, anEpilogueThatTheLibraryLacksIsSaidAtStartWithWhatDoesWithout) {
  Lacking lacking("epilogues");
  ColoGemm g = dense(COLO_F32, 8, 12, 10);
  LtProducts plain, fused;
  EXPECT_FALSE(plain.prepare(&g, 1).failed());
  g.epilogue = COLO_EPILOGUE_BIAS;
  Status status = fused.prepare(&g, 1);
  ASSERT_TRUE(status.failed());
  EXPECT_NE(status.message.find("status 15; colo-compile --no-epilogues does without"), std::string::npos);
}

TEST(LtProducts, aBatchThatIsNotEvenlySpacedIsALoop) {
  ColoGemm g = batched(dense(COLO_F32, 8, 12, 10), 2, 3);
  g.aBatch[0] += 7;
  checkBoth(g, "gaps");
  LtProducts products;
  ASSERT_FALSE(products.prepare(&g, 1).failed());
  EXPECT_EQ(products.implementation(0), "cublasLt in a loop over the batch");
  ColoGemm even = batched(dense(COLO_F32, 8, 12, 10), 2, 3);
  LtProducts whole;
  ASSERT_FALSE(whole.prepare(&even, 1).failed());
  EXPECT_EQ(whole.implementation(0), "cublasLt");
}

} // namespace
