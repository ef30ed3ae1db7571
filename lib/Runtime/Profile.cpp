//===- Profile.cpp - where a rank's time goes --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels have no table of their own: their names are read from the executable's
// symbols, which are there unless somebody stripped it.
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "colo/Runtime/Products.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <link.h>
#include <map>
#include <string>

namespace colo::runtime {

static thread_local Profile *profileOfThread = nullptr;
void setProfile(Profile *profile) { profileOfThread = profile; }
Profile *currentProfile() { return profileOfThread; }

Profile::Profile(const ColoProgram &program, Device &device) : program(program), device(device) {
  size_t size = 4096;
  while (size < 4 * static_cast<size_t>(program.gemmCount + program.siteCount))
    size *= 2;
  table.resize(size);
}

void Profile::add(Kind kind, uintptr_t key, const Elapsed &elapsed, int64_t bytes) {
  uint64_t hash = (static_cast<uint64_t>(key) * KindCount + kind) * 0x9E3779B97F4A7C15u;
  Entry *entry = &overflow;
  for (size_t probe = 0; probe < 64; ++probe) {
    Entry &slot = table[((hash >> 20) + probe) & (table.size() - 1)];
    if (slot.kind == KindCount)
      slot.kind = kind, slot.key = key;
    if (slot.kind == kind && slot.key == key) {
      entry = &slot;
      break;
    }
  }
  entry->calls += 1;
  entry->bytes += bytes;
  entry->elapsed += elapsed;
}

void Profile::reset() {
  std::fill(table.begin(), table.end(), Entry());
  overflow = Entry();
}

/// Where the executable was loaded; the program itself is the first object.
static uintptr_t loadAddress() {
  uintptr_t address = 0;
  dl_iterate_phdr(
      [](dl_phdr_info *info, size_t, void *data) { return *static_cast<uintptr_t *>(data) = info->dlpi_addr, 1; },
      &address);
  return address;
}

/// Functions of the executable by address.
static std::map<uintptr_t, std::string> readSymbols() {
  std::map<uintptr_t, std::string> names;
  std::string file;
  if (FILE *self = fopen("/proc/self/exe", "re")) {
    char buffer[65536];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, self)) > 0;)
      file.append(buffer, n);
    fclose(self);
  }
  auto at = [&](size_t offset, size_t bytes) {
    return offset <= file.size() && bytes <= file.size() - offset ? file.data() + offset : nullptr;
  };
  Elf64_Ehdr header;
  if (file.size() < sizeof header)
    return names;
  std::memcpy(&header, file.data(), sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  const char *headers = at(header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  if (!headers || header.e_shentsize != sizeof(Elf64_Shdr))
    return names;
  std::memcpy(sections.data(), headers, sections.size() * sizeof(Elf64_Shdr));
  uintptr_t base = loadAddress();
  for (const Elf64_Shdr &section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size())
      continue;
    const Elf64_Shdr &strings = sections[section.sh_link];
    const char *symbols = at(section.sh_offset, section.sh_size), *text = at(strings.sh_offset, strings.sh_size);
    for (size_t i = 0; symbols && text && (i + 1) * sizeof(Elf64_Sym) <= section.sh_size; ++i) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_name < strings.sh_size)
        names[base + symbol.st_value] = text + symbol.st_name;
    }
  }
  return names;
}

std::string describeProduct(const ColoGemm &g, int64_t calls, double seconds) {
  int64_t batch = Products::flops(g) / (2 * g.m * g.n * g.k);
  return formatString(
      "product %lld x [%lld, %lld, %lld] %s%s, %.0f GFLOP/s, %s", static_cast<long long>(batch),
      static_cast<long long>(g.m), static_cast<long long>(g.n), static_cast<long long>(g.k), g.ak == 1 ? "n" : "t",
      g.bn == 1 ? "n" : "t",
      1e-9 * static_cast<double>(calls) * static_cast<double>(Products::flops(g)) / std::max(seconds, 1e-9), g.source);
}

/// The dearest first.
std::vector<Profile::Entry> Profile::sortedEntries() const {
  std::vector<Entry> entries;
  std::copy_if(table.begin(), table.end(), std::back_inserter(entries), [](const Entry &e) { return e.calls > 0; });
  std::sort(entries.begin(), entries.end(),
            [](const Entry &a, const Entry &b) { return a.elapsed.clock > b.elapsed.clock; });
  return entries;
}

std::string Profile::describeCollective(uintptr_t key) const {
  if (key < static_cast<uintptr_t>(program.siteCount))
    return formatString("%s, %s", program.sites[key].kind, program.sites[key].source);
  return "a collective without a site";
}

void Profile::print(int64_t steps, const Elapsed &elapsed) const {
  if (steps <= 0)
    return;
  if (isOnStreams())
    return printOnStreams(steps, elapsed);
  std::vector<Entry> entries = sortedEntries();
  Elapsed sums[KindCount];
  for (const Entry &entry : entries)
    sums[entry.kind] += entry.elapsed;
  double milliseconds = 1e3 / static_cast<double>(steps);
  auto printSums = [&](const char *what, double Elapsed::*seconds) {
    double rest = elapsed.*seconds - overflow.elapsed.*seconds;
    for (const Elapsed &sum : sums)
      rest -= sum.*seconds;
    std::printf("%s: %.3f = products %.3f + kernels %.3f + collectives %.3f + waiting %.3f + rest %.3f\n", what,
                elapsed.*seconds * milliseconds, sums[Product].*seconds * milliseconds,
                sums[Kernel].*seconds * milliseconds, sums[Collective].*seconds * milliseconds,
                sums[Waiting].*seconds * milliseconds, rest * milliseconds);
  };
  printSums("profile of rank 0, ms a step", &Elapsed::clock);
  printSums("of these its thread had a core", &Elapsed::core);
  std::printf("%10s %10s %7s %8s  %s\n", "ms", "on a core", "%", "calls", "what");
  std::map<uintptr_t, std::string> symbols = readSymbols();
  for (const Entry &entry : entries) {
    std::string what = "waiting for a stream";
    if (entry.kind == Product)
      what = describeProduct(program.gemms[entry.key], entry.calls, entry.elapsed.clock);
    else if (entry.kind == Kernel)
      what = "kernel " + (symbols.count(entry.key) ? symbols[entry.key] : formatString("at %#zx", entry.key));
    else if (entry.kind == Collective)
      what = describeCollective(entry.key);
    std::printf("%10.3f %10.3f %7.2f %8.1f  %s\n", entry.elapsed.clock * milliseconds,
                entry.elapsed.core * milliseconds, 100 * entry.elapsed.clock / elapsed.clock,
                static_cast<double>(entry.calls) / static_cast<double>(steps), what.c_str());
  }
}

} // namespace colo::runtime
