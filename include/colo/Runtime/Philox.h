//===- Philox.h - counter-based random numbers -------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). Emitted code repeats this specification:
//
//   key     = seed (low 32 bits, high 32 bits)
//   counter = index / 4 (low, high), op instance, step
//   word    = output[index % 4]
//
// where index is the 64-bit row-major index of the element in the logical,
// unpadded global tensor, and op instance = (static op id << 16) + layer. Hence
// a number depends on the element and not on who holds it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_PHILOX_H
#define COLO_RUNTIME_PHILOX_H

#include <cstdint>

namespace colo::runtime {

struct PhiloxBlock {
  uint32_t word[4];
};

inline PhiloxBlock philox4x32(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    uint64_t p0 = static_cast<uint64_t>(0xD2511F53u) * counter.word[0];
    uint64_t p1 = static_cast<uint64_t>(0xCD9E8D57u) * counter.word[2];
    counter = {{static_cast<uint32_t>(p1 >> 32) ^ counter.word[1] ^ key0, static_cast<uint32_t>(p1),
                static_cast<uint32_t>(p0 >> 32) ^ counter.word[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// The four words of elements 4 * block ... 4 * block + 3.
inline PhiloxBlock randomBlock(uint64_t seed, uint64_t block, uint32_t instance, uint32_t step) {
  return philox4x32({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), instance, step}},
                    static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

inline uint32_t randomWord(uint64_t seed, uint64_t index, uint32_t instance, uint32_t step) {
  return randomBlock(seed, index / 4, instance, step).word[index % 4];
}

/// Uniform in [0, 1) from the upper 24 bits, exact in f32 and f64 alike.
inline double uniformFromWord(uint32_t word) { return (word >> 8) * (1.0 / 16777216.0); }

/// Steps below these are steps of training.
constexpr uint32_t evaluationStep = 0x80000000u; ///< the first batch of an evaluation
constexpr uint32_t initStep = 0xFFFFFFFFu;       ///< initial values
constexpr uint32_t dataStep = 0xFFFFFFFEu;       ///< synthetic records

/// FNV-1a, 32 bits: the op instance of a parameter's initial values is the hash
/// of its full name.
inline uint32_t hashName(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; ++name)
    hash = (hash ^ static_cast<unsigned char>(*name)) * 16777619u;
  return hash;
}

} // namespace colo::runtime

#endif // COLO_RUNTIME_PHILOX_H
