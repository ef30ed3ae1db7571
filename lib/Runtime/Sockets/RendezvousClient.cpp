//===- RendezvousClient.cpp - a rank on its way to rank 0 -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Rendezvous.h and Meeting.h.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Meeting.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace colo::runtime {

/// Links between hosts have a number of each host's own: those of a table are of the link by which rank 0 was reached.
static NetworkAddress addressOf(const TableEntry &entry, uint32_t scope) {
  NetworkAddress address;
  std::memcpy(address.host, entry.host, sizeof address.host);
  address.scope = scope;
  address.port = static_cast<uint16_t>(entry.port);
  return address;
}

namespace {
/// A rank on its way to rank 0.
class RendezvousClient {
public:
  RendezvousClient(const RendezvousPoint &place, const Member &member, const std::string &ownFault, PeerTable &peers)
      : place(place), member(member), ownFault(ownFault), peers(peers) {}
  Status run();

private:
  enum class Outcome { Met, TryAgain, Failed };
  std::vector<NetworkAddress> candidates(uint64_t &job);
  Outcome handshake(const NetworkAddress &address, uint64_t job);
  Outcome receiveTable(Socket &socket, const NetworkAddress &address);

  const RendezvousPoint &place;
  const Member &member;
  const std::string &ownFault; ///< why this rank does not come, or empty
  PeerTable &peers;
  NetworkClock::time_point begin = NetworkClock::now(), end;
  std::string why;        ///< the last fault of a candidate
  bool isUnknown = false; ///< nobody knows rank 0's host
  Status fault;
};
} // namespace

/// Where rank 0 may be now; `job` is what it takes for its own.
std::vector<NetworkAddress> RendezvousClient::candidates(uint64_t &job) {
  std::vector<NetworkAddress> found;
  if (place.file.empty()) {
    job = hashOf(place.job);
    std::vector<NetworkAddress> hosts = resolve(place.host, place.port, why, &isUnknown);
    for (uint16_t i = 0; i < place.ports; ++i)
      for (NetworkAddress address : hosts) {
        address.port = static_cast<uint16_t>(place.port + i);
        found.push_back(address);
      }
    return found;
  }
  if (PublishedPoint published; readPublished(place.file, published)) {
    job = hashOf(place.job + published.secret);
    return resolve(published.host, static_cast<uint16_t>(published.port), why);
  }
  why = "the file is not there, or not rank 0's";
  return found;
}

RendezvousClient::Outcome RendezvousClient::receiveTable(Socket &socket, const NetworkAddress &address) {
  TableHeader head{};
  std::vector<TableEntry> table(member.ranks);
  std::string error;
  // Rank 0, which came before, gives up before that and says who is missing.
  NetworkClock::time_point later = NetworkClock::now() + (end - begin) + kPatience;
  bool isHeaded = receiveAll(socket, &head, sizeof head, later, error) && head.magic == kMeetingMagic;
  if (std::string told = textOf(head.why); isHeaded && !told.empty()) {
    fault = Status::usage("%s", told.c_str());
    return Outcome::Failed;
  }
  if (!isHeaded || !receiveAll(socket, table.data(), table.size() * sizeof table[0], later, error)) {
    fault = error.empty() ? Status::usage("rank 0, at %s, ended before all ranks had met", address.text().c_str())
                          : Status::usage("rank %d waited %g s at %s for ranks that rank 0 waits for", member.rank,
                                          member.seconds, address.text().c_str());
    return Outcome::Failed;
  }
  peers.token = head.token;
  peers.addresses.clear();
  for (const TableEntry &entry : table)
    peers.addresses.push_back(addressOf(entry, address.scope));
  peers.lifelines.clear();
  peers.lifelines.push_back(std::move(socket));
  return Outcome::Met;
}

RendezvousClient::Outcome RendezvousClient::handshake(const NetworkAddress &address, uint64_t job) {
  NetworkClock::time_point soon = std::min(end, NetworkClock::now() + kPatience);
  Socket socket = connectTo(address, soon, why);
  if (!socket)
    return Outcome::TryAgain;
  if (!peers.listener)
    peers.listener = listenAt(0, isLocalName(place.host), why);
  if (!peers.listener) {
    fault = Status::usage("rank %d cannot listen for other ranks: %s", member.rank, why.c_str());
    return Outcome::Failed;
  }
  Hello hello{kMeetingMagic,
              job,
              hashOf(member.program),
              static_cast<uint32_t>(member.rank),
              static_cast<uint32_t>(member.ranks),
              ownEnd(peers.listener).port,
              0,
              {}};
  setReason(hello.fault, ownFault);
  Answer answer{};
  std::string error;
  if (!sendAll(socket, &hello, sizeof hello, soon, error) || !receiveAll(socket, &answer, sizeof answer, soon, error) ||
      answer.magic != kMeetingMagic) {
    why = formatString("what answers at %s is not rank 0", address.text().c_str());
    return Outcome::TryAgain;
  }
  if (answer.accepted)
    return receiveTable(socket, address);
  why = textOf(answer.why);
  if (answer.otherJob)
    return Outcome::TryAgain;
  fault = Status::usage("%s", why.c_str());
  return Outcome::Failed;
}

Status RendezvousClient::run() {
  end = secondsFromNow(ownFault.empty() ? member.seconds : std::min(member.seconds, member.absence));
  // Rank 0 is soon there, or starts late: many ranks must not keep its host busy.
  std::chrono::milliseconds pause{20}, longest{500};
  NetworkClock::time_point known = begin;
  while (NetworkClock::now() < end) {
    uint64_t job = 0;
    for (const NetworkAddress &address : candidates(job))
      if (Outcome outcome = handshake(address, job); outcome != Outcome::TryAgain)
        return fault;
    known = isUnknown ? known : NetworkClock::now();
    if (NetworkClock::now() - known > std::chrono::duration<double>(member.unknownHost))
      return Status::usage("rank %d cannot go to rank 0 at %s: no host of that name in %g s: %s", member.rank,
                           place.text().c_str(), member.unknownHost, why.c_str());
    std::this_thread::sleep_for(pause);
    pause = std::min(longest, 2 * pause);
  }
  return Status::usage("rank %d found no rank 0 at %s in %g s: %s", member.rank, place.text().c_str(), member.seconds,
                       why.c_str());
}

Status joinRanks(const RendezvousPoint &place, const Member &member, const std::string &fault, PeerTable &peers) {
  return RendezvousClient(place, member, fault, peers).run();
}

} // namespace colo::runtime
