//===- LtProducts.h - matrix products on a GPU -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// cuBLASLt's matrix products, f32 and f64 without tensor cores' shorter numbers,
// bf16 and f16 with f32 sums. A batch that is not evenly spaced is a loop over one that is. A bias is
// the library's epilogue of that name: our rows are its columns. An addend is the
// matrix that it calls C, while the result is D. Sums of an operand are its gradient
// of a bias.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_LTPRODUCTS_H
#define COLO_LIB_RUNTIME_CUDA_LTPRODUCTS_H

#include "CUDA/Driver.h"
#include "colo/Runtime/Products.h"

#include <memory>

namespace colo::runtime::cuda {

/// Opens the library once in a process.
Status loadCublasLt();

class LtProducts final : public Products {
public:
  LtProducts();
  ~LtProducts() override;

  /// The stream of all products, once it exists.
  void setStream(CudaStream chosen) { stream = chosen; }

  Status prepare(const ColoGemm *gemms, int64_t count) override;
  std::string implementation(int64_t gemm) const override;
  int64_t scratchBytes() const override { return static_cast<int64_t>(needed); }
  void useScratch(char *memory) override { scratch = memory; }

private:
  struct Plan;
  void execute(int64_t gemm, const ProductData &data) override;
  Status prepare(const ColoGemm &gemm, Plan &plan);

  CudaStream stream = nullptr;
  char *scratch = nullptr;
  size_t needed = 0;
  void *handle = nullptr;
  std::vector<std::unique_ptr<Plan>> plans;
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_LTPRODUCTS_H
