//===- Agreement.cpp - what ranks that are processes must have alike -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Agreement.h. One exchange of a few words a rank, by whatever connects them.
//
//===----------------------------------------------------------------------===//

#include "Agreement.h"

#include <functional>
#include <map>
#include <vector>

namespace colo::runtime {

namespace {
struct SharedFlag {
  const char *name;
  uint64_t value;
  const char *form; ///< of a value
  bool mayMiss;     ///< zero says that it was not given
};
} // namespace

static constexpr size_t kDeviceWords = 4;
static constexpr const char *kNumber = "=%llu", *kRecords = " of %llu records", *kGiven = "";

/// Of what ranks read, how much it is.
static std::vector<SharedFlag> sharedFlags(const Run &run) {
  const Options &o = run.options;
  auto records = [](const auto &set) { return static_cast<uint64_t>(set ? set->size() : 0); };
  return {{"--steps", static_cast<uint64_t>(o.steps), kNumber, false},
          {"--seed", run.seed, kNumber, false},
          {"--data", records(run.train), kRecords, true},
          {"--eval", records(run.eval), kRecords, true},
          {"--eval-every", static_cast<uint64_t>(o.evalEvery), kNumber, true},
          {"--check-replicas", o.checkReplicas, kGiven, true},
          {"--init", !o.init.empty(), kGiven, true},
          {"--export", !o.exportFile.empty(), kGiven, true},
          {"--dump-grads", !o.dumpGrads.empty(), kGiven, true},
          {"--stats", !o.stats.empty(), kGiven, true},
          {"--trace", !o.trace.empty(), kGiven, true}};
}

/// "with --steps=7"
static std::string describe(const SharedFlag &flag, uint64_t value) {
  if (flag.mayMiss && !value)
    return formatString("without %s", flag.name);
  return formatString("with %s", flag.name) + formatString(flag.form, static_cast<unsigned long long>(value));
}

/// Of the words that all ranks have sent, `count` each: the program's first, then those of the flags, then others.
static Status compareWords(const std::vector<SharedFlag> &flags, const std::vector<uint64_t> &all, size_t count) {
  for (size_t rank = 1; rank < all.size() / count; ++rank) {
    const uint64_t *words = &all[rank * count];
    if (words[0] != all[0])
      return Status::usage("rank %zu runs another program than rank 0", rank);
    for (size_t i = 0; i < flags.size(); ++i)
      if (words[1 + i] != all[1 + i])
        return Status::usage("rank %zu was started %s, rank 0 %s", rank, describe(flags[i], words[1 + i]).c_str(),
                             describe(flags[i], all[1 + i]).c_str());
  }
  return Status::ok();
}

/// That ranks which need a device each have one, of the last words of each rank: DeviceChoice, and its number on its
/// host.
static Status compareDevices(const std::vector<uint64_t> &all, size_t count) {
  std::map<uint64_t, size_t> owners;
  for (size_t rank = 0; rank < all.size() / count; ++rank) {
    const uint64_t *words = &all[(rank + 1) * count - kDeviceWords];
    auto number = [&](size_t i) { return static_cast<unsigned long long>(words[i]); };
    if (auto [other, isFirst] = owners.emplace(words[0], rank); words[0] && !isFirst)
      return Status::usage("rank %zu, number %llu on its host, sees %llu GPU%s and would share GPU %llu with rank %zu; "
                           "ranks need a GPU each, but --comm=loopback lets them share",
                           rank, number(3), number(2), words[2] == 1 ? "" : "s", number(1), other->second);
  }
  return Status::ok();
}

Status compareRanks(const Run &run, const CommProvider &provider) {
  if (!run.world.launched)
    return Status::ok();
  const std::vector<SharedFlag> flags = sharedFlags(run);
  const int rank = static_cast<int>(run.world.processRank), ranks = static_cast<int>(run.world.ranks);
  std::vector<uint64_t> own{std::hash<std::string>()(run.program->build)};
  for (const SharedFlag &flag : flags)
    own.push_back(flag.value);
  const DeviceChoice &device = run.device;
  own.push_back(device.id);
  for (int64_t number : {device.number, device.visible, run.world.rankOnHost})
    own.push_back(static_cast<uint64_t>(number));
  std::vector<uint64_t> all(own.size() * ranks);
  ncclComm_t world = nullptr;
  if (Status status = commStatus(provider, provider.initRank(&world, ranks, {}, rank, nullptr)); status.failed())
    return status;
  Status status =
      commStatus(provider, provider.allGather(own.data(), all.data(), own.size(), ncclUint64, world, nullptr));
  provider.destroy(world);
  if (!status.failed())
    status = compareWords(flags, all, own.size());
  return status.failed() ? status : compareDevices(all, own.size());
}

} // namespace colo::runtime
