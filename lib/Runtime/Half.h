//===- Half.h - 16-bit floats on the host -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Types of memory, not of arithmetic: they are widened to float, which is exact,
// and narrowed to the nearest, of two the even one, as kernels do. A NaN becomes
// the quiet one.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_HALF_H
#define COLO_LIB_RUNTIME_HALF_H

#include <cstdint>
#include <cstring>

namespace colo::runtime {

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// The upper half of an f32.
struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  explicit BFloat16(float value) {
    uint32_t wide = bitsOf(value), rounded = (wide + 0x7FFF + (wide >> 16 & 1)) >> 16;
    bits = static_cast<uint16_t>((wide & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC0 : rounded);
  }
  explicit operator float() const { return floatOf(static_cast<uint32_t>(bits) << 16); }
};

/// IEEE's binary16: 5 bits of exponent, 10 of fraction.
struct Float16 {
  uint16_t bits;

  Float16() = default;
  explicit Float16(float value) {
    constexpr uint32_t overflow = (127 + 16) << 23, normal = (127 - 14) << 23, infinity = 0x7F800000;
    uint32_t wide = bitsOf(value), sign = wide >> 16 & 0x8000, magnitude = wide & 0x7FFFFFFF, narrow;
    if (magnitude >= overflow)
      narrow = magnitude > infinity ? 0x7E00 : 0x7C00;
    else if (magnitude < normal) // the float's own rounding puts what is left of the fraction into the lowest bits
      narrow = bitsOf(floatOf(magnitude) + 0.5f) - bitsOf(0.5f);
    else
      narrow = (magnitude - ((127 - 15) << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13;
    bits = static_cast<uint16_t>(sign | narrow);
  }
  explicit operator float() const {
    uint32_t magnitude = static_cast<uint32_t>(bits & 0x7FFF) << 13, sign = static_cast<uint32_t>(bits & 0x8000) << 16;
    constexpr uint32_t exponents = 0x7C00 << 13, bias = (127 - 15) << 23;
    float value;
    if ((magnitude & exponents) == exponents)
      value = floatOf(magnitude + 2 * bias);
    else if ((magnitude & exponents) == 0) // below the normal numbers
      value = floatOf(magnitude + bias + (1 << 23)) - floatOf(bias + (1 << 23));
    else
      value = floatOf(magnitude + bias);
    return floatOf(bitsOf(value) | sign);
  }
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_HALF_H
