//===- Rendezvous.cpp - how processes find each other ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Rendezvous.h: the place, and what rank 0 (RendezvousServer.cpp) and the others
// (RendezvousClient.cpp) share.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Meeting.h"
#include "colo/Runtime/Options.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <sys/resource.h>
#include <sys/stat.h>

namespace colo::runtime {

/// From a launcher's port on rank 0 takes the first free one of so many.
static constexpr uint16_t kLauncherPorts = 16;

uint64_t hashOf(const std::string &text) { return text.empty() ? 0 : std::hash<std::string>()(text); }

void setReason(Reason &reason, const std::string &text) {
  std::memset(reason, 0, sizeof reason);
  text.copy(reason, sizeof reason - 1);
}

std::string textOf(const Reason &reason) { return std::string(reason, strnlen(reason, sizeof reason)); }

std::string environmentText(const char *variable) {
  const char *text = std::getenv(variable);
  return text ? text : "";
}

std::string RendezvousPoint::text() const {
  if (!file.empty())
    return "file " + file;
  std::string from = formatString(host.find(':') == std::string::npos ? "%s:%d" : "[%s]:%d", host.c_str(), port);
  return ports == 1 ? from : from + formatString(" to %d", port + ports - 1);
}

static Status setAddress(const std::string &source, const std::string &host, const std::string &port,
                         RendezvousPoint &place) {
  int64_t number = 0;
  if (parseInteger(port, number) != Integer::Some || number < 1 || number > kMostPort)
    return Status::usage("%s: the port '%s' is not a number from 1 to %d", source.c_str(), port.c_str(), kMostPort);
  bool isBracketed = !host.empty() && host.front() == '[' && host.back() == ']';
  place.host = isBracketed ? host.substr(1, host.size() - 2) : host;
  if (place.host.empty())
    return Status::usage("%s has no host", source.c_str());
  place.port = static_cast<uint16_t>(number);
  return Status::ok();
}

/// What the launcher says of the job, so that two jobs at one place are told apart. How often torchrun has started its
/// ranks again is no part of it: each host counts for itself.
static std::string launchedJob() {
  std::string job;
  for (const char *variable : {"TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "SLURM_STEP_ID"})
    if (std::string text = environmentText(variable); !text.empty())
      job += std::string(variable) + "=" + text + " ";
  return job;
}

/// Rank 0 will replace the file, and remove it.
static Status checkFile(const std::string &flag, const std::string &path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0)
    return Status::ok();
  if (!S_ISREG(info.st_mode))
    return Status::usage("--rendezvous=%s: that is there, and no file", flag.c_str());
  std::ifstream file(path, std::ios::binary);
  char begin[sizeof kFileMagic] = "";
  file.read(begin, sizeof begin);
  if (file.gcount() && std::strncmp(begin, kFileMagic, sizeof kFileMagic - 1) != 0)
    return Status::usage("--rendezvous=%s: the file is something else, and would be removed; give a name that is free",
                         flag.c_str());
  return Status::ok();
}

Status findRendezvousPoint(const std::string &flag, RendezvousPoint &place) {
  place.job = launchedJob();
  static const std::string file = "file://", tcp = "tcp://";
  if (flag.compare(0, file.size() + 1, file + "/") == 0 && flag.size() > file.size() + 1) {
    place.file = flag.substr(file.size());
    return checkFile(flag, place.file);
  }
  size_t colon = flag.rfind(':');
  if (flag.compare(0, tcp.size(), tcp) == 0 && colon != std::string::npos && colon >= tcp.size())
    return setAddress("--rendezvous=" + flag, flag.substr(tcp.size(), colon - tcp.size()), flag.substr(colon + 1),
                      place);
  if (!flag.empty())
    return Status::usage("--rendezvous=%s: expected tcp://HOST:PORT or file:///PATH", flag.c_str());
  std::string host = environmentText("MASTER_ADDR"), port = environmentText("MASTER_PORT");
  if (host.empty() || port.empty())
    return Status::usage("processes without MPI need a place to meet: MASTER_ADDR and MASTER_PORT, as torchrun sets "
                         "them, or --rendezvous=tcp://HOST:PORT or --rendezvous=file:///PATH");
  if (Status status = setAddress("MASTER_PORT=" + port, host, port, place); status.failed())
    return status;
  // torchrun's own agent listens at the port where it says so.
  if (environmentText("TORCHELASTIC_USE_AGENT_STORE") == "True" && place.port < kMostPort)
    ++place.port;
  place.ports = static_cast<uint16_t>(std::min<int>(kLauncherPorts, kMostPort - place.port + 1));
  return Status::ok();
}

bool isLocalName(const std::string &host) { return host == "localhost" || host == "127.0.0.1"; }

bool readPublished(const std::string &path, PublishedPoint &published) {
  std::ifstream file(path);
  std::string magic;
  return file >> magic >> published.host >> published.port >> published.secret && magic == "colo" &&
         published.port > 0 && published.port <= kMostPort;
}

/// A rank has a connection to and one from each other, rank 0 one of the meeting to each besides.
static Status allowFiles(const Member &member) {
  constexpr rlim_t own = 16, comfort = 256;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return Status::ok();
  rlim_t needed = own + rlim_t(member.rank == 0 ? 3 : 2) * member.ranks;
  if (limit.rlim_cur < needed + comfort) {
    limit.rlim_cur = std::min(limit.rlim_max, needed + comfort);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed)
    return Status::ok();
  return Status::usage("rank %d may open %llu files, but %d ranks that are processes take %llu: raise ulimit -n",
                       member.rank, static_cast<unsigned long long>(limit.rlim_cur), member.ranks,
                       static_cast<unsigned long long>(needed));
}

Status rendezvous(const RendezvousPoint &place, const Member &member, PeerTable &peers) {
  if (Status status = allowFiles(member); status.failed())
    return status;
  return member.rank == 0 ? receiveRanks(place, member, "", peers) : joinRanks(place, member, "", peers);
}

void cancelRendezvous(const RendezvousPoint &place, const Member &member, const std::string &why) {
  PeerTable peers;
  // What becomes of it is no matter of a rank that has its own fault.
  static_cast<void>(member.rank == 0 ? receiveRanks(place, member, why, peers) : joinRanks(place, member, why, peers));
}

} // namespace colo::runtime
