//===- Options.cpp - the command line of an executable -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Options.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Options.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <set>
#include <vector>

namespace colo::runtime {
namespace {
struct Flag {
  const char *name;
  const char *value; ///< as --help shows it; null for a switch
  const char *help;
  std::string Options::*text = nullptr;
  int64_t Options::*number = nullptr;
  int64_t least = 0;
  double Options::*real = nullptr;
  bool Options::*toggle = nullptr;
};
} // namespace

static Flag textFlag(const char *name, const char *value, std::string Options::*field, const char *help) {
  Flag flag{name, value, help};
  flag.text = field;
  return flag;
}
static Flag numberFlag(const char *name, int64_t Options::*field, int64_t least, const char *help) {
  Flag flag{name, "N", help};
  flag.number = field;
  flag.least = least;
  return flag;
}
/// Clocks count nanoseconds in 64 bits.
static constexpr double kMostSeconds = 1e9;

static Flag switchFlag(const char *name, bool Options::*field, const char *help) {
  Flag flag{name, nullptr, help};
  flag.toggle = field;
  return flag;
}

static const std::vector<Flag> &flags() {
  static const std::vector<Flag> table = [] {
    Flag timeout{"comm-timeout", "SECONDS", "give up when a rank waits longer for another (600)"};
    timeout.real = &Options::commTimeout;
    return std::vector<Flag>{
        textFlag(
            "data", "SPEC", &Options::data,
            "training data: a text file, lines:FILE, IMAGES,LABELS, a folder of IDX files, or synthetic:N[,ignore=P]"),
        numberFlag("steps", &Options::steps, 0, "optimizer steps (100)"),
        numberFlag("ranks", &Options::ranks, 1,
                   "ranks, as threads of this process: a multiple of pipeline x sequence x tensor (one replica, or as "
                   "many as the config's data= says)"),
        numberFlag("seed", &Options::seed, 0, "seed of initial values, data order and dropout"),
        textFlag("eval", "SPEC", &Options::eval, "evaluation data; evaluated after the last step"),
        numberFlag("eval-every", &Options::evalEvery, 1, "evaluate after every N steps too"),
        textFlag("init", "FILE", &Options::init, "initial parameters, a safetensors file of the whole model"),
        textFlag("export", "FILE", &Options::exportFile, "write the whole model as safetensors after the last step"),
        textFlag("dump-grads", "FILE", &Options::dumpGrads, "write the last step's summed gradients likewise"),
        textFlag("log", "FILE", &Options::log, "one JSON object per step; - is standard output"),
        textFlag("stats", "FILE", &Options::stats,
                 "bytes, flops and memory per rank, as JSON, after the run; - as for --log"),
        textFlag("trace", "FILE", &Options::trace,
                 "the last step's actions of all pipeline ranks beside the predicted ones, as a Chrome trace; - as for "
                 "--log"),
        textFlag("comm", "PROVIDER", &Options::comm,
                 "auto, threads, mpi or sockets; of ranks on GPUs nccl or loopback"),
        textFlag("rendezvous", "PLACE", &Options::rendezvous,
                 "where processes without MPI meet: tcp://HOST:PORT or file:///PATH (MASTER_ADDR and MASTER_PORT)"),
        numberFlag("threads", &Options::threads, 1, "threads per rank (cores / ranks)"),
        textFlag("overlap", "WHEN", &Options::overlap,
                 "run collectives beside work: on, off or auto (if there are more cores than threads)"),
        textFlag("graph", "WHEN", &Options::graph,
                 "on GPUs launch a step as one CUDA graph: on, off or auto (if the run, the driver and NCCL allow it)"),
        timeout,
        switchFlag("check-replicas", &Options::checkReplicas,
                   "after each step compare all replicas of parameters and gradients bit by bit"),
        switchFlag("time-products", &Options::timeProducts,
                   "print the time of a step over that of its products alone (one rank)"),
        switchFlag("profile", &Options::profile,
                   "print where the time of rank 0 went, by product, kernel and collective"),
        switchFlag("info", &Options::info, "print what was compiled and stop"),
        switchFlag("quiet", &Options::quiet, "no progress"),
        switchFlag("help", &Options::help, "print this and stop")};
  }();
  return table;
}

Integer parseInteger(const std::string &text, int64_t &number) {
  size_t first = !text.empty() && text[0] == '-';
  if (first == text.size() || text.find_first_not_of("0123456789", first) != std::string::npos)
    return Integer::None;
  errno = 0;
  number = std::strtoll(text.c_str(), nullptr, 10);
  return errno ? Integer::TooLarge : Integer::Some;
}

size_t editDistance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

static Status unknownFlag(const std::string &name) {
  const Flag *best = nullptr;
  size_t bestDistance = 0;
  for (const Flag &flag : flags()) {
    size_t distance = editDistance(name, flag.name);
    if (!best || distance < bestDistance) {
      best = &flag;
      bestDistance = distance;
    }
  }
  if (bestDistance <= std::max<size_t>(2, name.size() / 3))
    return Status::usage("unknown flag --%s, did you mean --%s?", name.c_str(), best->name);
  return Status::usage("unknown flag --%s; --help lists all", name.c_str());
}

static Status setFlag(const Flag &flag, const std::string &value, Options &options) {
  if (flag.text) {
    if (value.empty())
      return Status::usage("--%s needs a value: --%s=%s", flag.name, flag.name, flag.value);
    options.*flag.text = value;
    return Status::ok();
  }
  if (flag.real) {
    char *end = nullptr;
    double real = std::strtod(value.c_str(), &end);
    if (value.empty() || *end || !(real > 0 && real <= kMostSeconds))
      return Status::usage("--%s=%s is not a number greater than 0 and at most %.0f", flag.name, value.c_str(),
                           kMostSeconds);
    options.*flag.real = real;
    return Status::ok();
  }
  int64_t number;
  Integer kind = parseInteger(value, number);
  if (kind == Integer::TooLarge && number > 0)
    return Status::usage("--%s=%s is more than %lld", flag.name, value.c_str(), static_cast<long long>(INT64_MAX));
  if (kind != Integer::Some || number < flag.least)
    return Status::usage("--%s=%s is not an integer of at least %lld", flag.name, value.c_str(),
                         static_cast<long long>(flag.least));
  options.*flag.number = number;
  return Status::ok();
}

Status parseOptions(int argc, char **argv, Options &options) {
  std::set<std::string> given;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "-h")
      argument = "--help";
    if (argument.compare(0, 2, "--") != 0)
      return Status::usage("unexpected argument '%s'; flags are written --name=value", argument.c_str());
    size_t equals = argument.find('=');
    std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    auto flag = std::find_if(flags().begin(), flags().end(), [&](const Flag &f) { return name == f.name; });
    if (flag == flags().end())
      return unknownFlag(name);
    if (!given.insert(name).second)
      return Status::usage("--%s is given twice", flag->name);
    if (flag->toggle) {
      if (equals != std::string::npos)
        return Status::usage("--%s takes no value", flag->name);
      options.*flag->toggle = true;
      continue;
    }
    std::string value;
    if (equals != std::string::npos)
      value = argument.substr(equals + 1);
    else if (i + 1 < argc)
      value = argv[++i];
    if (Status status = setFlag(*flag, value, options); status.failed())
      return status;
  }
  return Status::ok();
}

std::string helpText(const char *program, const char *model) {
  std::string text = formatString("%s trains %s.\n\nusage: %s --data=SPEC [flags]\n\n", program, model, program);
  for (const Flag &flag : flags()) {
    std::string left = formatString("  --%s%s%s", flag.name, flag.value ? "=" : "", flag.value ? flag.value : "");
    text += formatString("%-24s %s\n", left.c_str(), flag.help);
  }
  text += "\nexit codes: 0 done, 1 wrong input or lost output, 2 wrong usage or environment, 70 internal error\n";
  return text;
}

} // namespace colo::runtime
