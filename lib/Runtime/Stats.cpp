//===- Stats.cpp - what a run did, as JSON -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every rank makes the text of its own entry; rank 0 receives and joins them.
//
//===----------------------------------------------------------------------===//

#include "Stats.h"
#include "Gather.h"
#include "colo/Runtime/OutputFile.h"

#include <nlohmann/json.hpp>

namespace colo::runtime {

using Json = nlohmann::ordered_json;

static Json sitesOf(const Rank &rank, CommCounter &total) {
  Json sites = Json::array();
  for (size_t i = 0; i < rank.counters().size(); ++i) {
    const CommCounter &counter = rank.counters()[i];
    total.calls += counter.calls;
    total.bytes += counter.bytes;
    total.messages += counter.messages;
    bool known = static_cast<int64_t>(i) < rank.program().siteCount;
    if (!known && counter.calls == 0)
      continue;
    Json site;
    site["site"] = known ? static_cast<int64_t>(i) : -1;
    site["kind"] = known ? rank.program().sites[i].kind : "";
    site["source"] = known ? rank.program().sites[i].source : "";
    site["phase"] = known ? rank.program().sites[i].phase : "";
    int32_t comm = known ? rank.program().sites[i].comm : -1;
    site["comm"] = comm >= 0 && comm < rank.program().commCount ? rank.program().comms[comm].name : "";
    site["calls"] = counter.calls;
    site["bytes"] = counter.bytes;
    site["messages"] = counter.messages;
    sites.push_back(std::move(site));
  }
  return sites;
}

static std::string entryOf(const Rank &rank) {
  const ColoProgram &program = rank.program();
  CommCounter total;
  Json entry;
  entry["rank"] = rank.index();
  entry["replica"] = rank.coordinates().replica;
  entry["stage"] = rank.coordinates().stage;
  entry["coordinates"] = rank.coordinates().axes;
  Json sites = sitesOf(rank, total);
  entry["calls"] = total.calls;
  entry["bytes"] = total.bytes;
  entry["messages"] = total.messages;
  int64_t flops = 0;
  Json products = Json::array();
  for (int64_t i = 0; i < program.gemmCount; ++i) {
    int64_t calls = rank.products().calls()[i], each = Products::flops(program.gemms[i]);
    flops += calls * each;
    products.push_back({{"source", program.gemms[i].source},
                        {"implementation", rank.products().implementation(i)},
                        {"calls", calls},
                        {"flops", calls * each}});
  }
  entry["flops"] = flops;
  if (program.actionCount) {
    entry["peak_activations"] = rank.actionLog.peak();
    entry["peak_activations_by_stage"] = rank.actionLog.peaks();
  }
  if (rank.lossScale().isOn()) {
    entry["loss_scale"] = rank.lossScale().value();
    entry["skipped_steps"] = rank.lossScale().skipped();
  }
  for (const StepGraph *step : rank.graphs())
    if (step->graph().number >= 0)
      entry["graphs"].push_back({{"of", step->name()}, {"nodes", step->graph().nodes}, {"bytes", step->graph().bytes}});
  Json arena;
  for (int region = 0; region < Arena::RegionCount; ++region)
    arena[Arena::name(region)] = rank.arena().bytes(region);
  entry["arena_bytes"] = std::move(arena);
  entry["gemm_scratch_bytes"] = rank.products().scratchBytes();
  entry["high_water_bytes"] = rank.highWater();
  entry["sites"] = std::move(sites);
  entry["products"] = std::move(products);
  return entry.dump();
}

Status StatsWriter::finish(Rank &rank) {
  if (run.options.stats.empty())
    return Status::ok();
  std::vector<std::string> entries;
  if (Status status = gather(rank, entryOf(rank), entries); status.failed() || rank.index() != 0)
    return status;
  Json all;
  all["model"] = run.program->model;
  all["build"] = run.program->build;
  all["ranks"] = run.world.ranks;
  all["data"] = run.world.dp;
  all["steps"] = run.options.steps;
  all["start_seconds"] = run.startSeconds;
  all["per_rank"] = Json::array();
  for (const std::string &entry : entries)
    all["per_rank"].push_back(Json::parse(entry));
  for (const char *key : {"calls", "bytes", "messages", "flops"}) {
    int64_t sum = 0;
    for (const Json &entry : all["per_rank"])
      sum += entry[key].get<int64_t>();
    all["total"][key] = sum;
  }
  return OutputFile::writeText(run.options.stats, all.dump(1) + "\n");
}

} // namespace colo::runtime
