//===- RendezvousServer.cpp - where rank 0 receives the others --------*- C++ -*-===//
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
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

namespace colo::runtime {

namespace {
/// One that has connected to rank 0.
struct PendingPeer {
  Socket socket;
  char hello[sizeof(Hello)];
  size_t received = 0;
  int rank = -1; ///< once accepted
  uint16_t port = 0;
  bool hasGone() const;
};
} // namespace

bool PendingPeer::hasGone() const {
  char byte;
  ssize_t received = recv(socket.get(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
  return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}

static TableEntry entryOf(const NetworkAddress &address) {
  TableEntry entry{{}, address.port};
  std::memcpy(entry.host, address.host, sizeof entry.host);
  return entry;
}

namespace {
/// Where rank 0 receives the others.
class RendezvousServer {
public:
  RendezvousServer(const RendezvousPoint &place, const Member &member, PeerTable &peers)
      : place(place), member(member), peers(peers), present(member.ranks, nullptr), hasHeard(member.ranks, false),
        job(hashOf(place.job)) {}
  ~RendezvousServer();
  Status run(const std::string &ownFault);

private:
  Status open();
  Status publish();
  Status readHello(PendingPeer &peer);
  Status acceptHello(PendingPeer &peer, const Hello &hello);
  Status receive();
  void leave(PendingPeer &peer);
  void cancel(const Status &why);
  bool isAwaited() const;
  Status noteAbsence() const;
  Status sendTable();
  std::string missing() const;

  const RendezvousPoint &place;
  const Member &member;
  PeerTable &peers;
  std::vector<std::unique_ptr<PendingPeer>> pending;
  std::vector<PendingPeer *> present; ///< by rank
  std::vector<bool> hasHeard;         ///< by rank: why there is no meeting
  struct Absence {
    NetworkClock::time_point since;
    std::string host;
  };
  std::map<int, Absence> absent; ///< ranks that have been present
  uint64_t job;
  std::string secret; ///< in the file, once it is there
  NetworkClock::time_point end;
  Status fault; ///< that ends the meeting
};
} // namespace

/// The file may meanwhile be another job's.
RendezvousServer::~RendezvousServer() {
  if (PublishedPoint published; !secret.empty() && readPublished(place.file, published) && published.secret == secret)
    unlink(place.file.c_str());
}

Status RendezvousServer::open() {
  std::string why;
  bool onlyLoopback = place.file.empty() && isLocalName(place.host);
  for (uint16_t i = 0; i < place.ports && !peers.listener; ++i)
    peers.listener = listenAt(static_cast<uint16_t>(place.file.empty() ? place.port + i : 0), onlyLoopback, why);
  if (!peers.listener)
    return Status::usage("rank 0 cannot wait for the other ranks at %s: %s", place.text().c_str(), why.c_str());
  return place.file.empty() ? Status::ok() : publish();
}

/// The file has rank 0's address and a secret that only its readers know. It comes into being whole, and one that an
/// earlier run has left goes.
Status RendezvousServer::publish() {
  std::random_device random;
  std::string drawn;
  for (int i = 0; i < 4; ++i)
    drawn += formatString("%08x", random());
  in_addr host{chooseHost()};
  if (std::string asked = environmentText("NCCL_SOCKET_IFNAME"); !host.s_addr && !asked.empty())
    return Status::usage("NCCL_SOCKET_IFNAME=%s: no interface of that name is up and has an IPv4 address",
                         asked.c_str());
  if (!host.s_addr)
    host.s_addr = htonl(INADDR_LOOPBACK);
  const auto *bytes = reinterpret_cast<const uint8_t *>(&host);
  std::string text = formatString("%s%d.%d.%d.%d %d %s\n", kFileMagic, bytes[0], bytes[1], bytes[2], bytes[3],
                                  ownEnd(peers.listener).port, drawn.c_str());
  std::string temporary = formatString("%s.%d.%08x", place.file.c_str(), getpid(), random());
  Socket file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  bool isWritten = file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                   fsync(file.get()) == 0 && rename(temporary.c_str(), place.file.c_str()) == 0;
  int error = errno;
  if (!isWritten) {
    unlink(temporary.c_str());
    return Status::usage("rank 0 cannot write %s, where ranks are to meet: %s", place.file.c_str(),
                         std::strerror(error));
  }
  secret = drawn;
  job = hashOf(place.job + secret);
  return Status::ok();
}

/// What has come of a hello.
Status RendezvousServer::readHello(PendingPeer &peer) {
  ssize_t received =
      recv(peer.socket.get(), peer.hello + peer.received, sizeof peer.hello - peer.received, MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return Status::ok();
  bool isWhole = received > 0 && (peer.received += received) == sizeof peer.hello;
  if (received > 0 && !isWhole)
    return Status::ok();
  Hello hello{};
  std::memcpy(&hello, peer.hello, sizeof hello);
  // Whoever goes away, or says something else, or more, was not a rank, or comes again, or has ended.
  if (peer.rank >= 0 || received <= 0 || hello.magic != kMeetingMagic || peer.hasGone()) {
    leave(peer);
    return Status::ok();
  }
  return acceptHello(peer, hello);
}

void RendezvousServer::leave(PendingPeer &peer) {
  if (peer.rank >= 0) {
    present[peer.rank] = nullptr;
    absent[peer.rank] = {NetworkClock::now(), otherEnd(peer.socket).hostText()};
  }
  peer.rank = -1;
  peer.socket.close();
}

/// A rank of this job that cannot be one of these ranks ends the meeting: the right one will not come.
Status RendezvousServer::acceptHello(PendingPeer &peer, const Hello &hello) {
  Answer answer{kMeetingMagic, 0, hello.job != job, {}};
  std::string who = formatString("rank %u, at %s,", hello.rank, otherEnd(peer.socket).hostText().c_str()), why;
  // One that had no answer in time comes again, and both may be heard of at once.
  if (hello.rank < present.size() && present[hello.rank] && present[hello.rank]->hasGone())
    leave(*present[hello.rank]);
  if (answer.otherJob)
    why = "rank 0 there is of another job";
  else if (fault.failed())
    why = fault.message;
  else if (std::string theirs = textOf(hello.fault); !theirs.empty())
    why = who + " does not come: " + theirs;
  else if (hello.program != hashOf(member.program))
    why = who + " runs another program than rank 0";
  else if (hello.ranks != static_cast<uint32_t>(member.ranks))
    why = who + formatString(" was started as one of %u ranks, rank 0 as one of %d", hello.ranks, member.ranks);
  else if (hello.rank >= hello.ranks || hello.rank == 0 || present[hello.rank])
    why = who + " is there already: two processes were started as the same rank";
  answer.accepted = why.empty();
  setReason(answer.why, why);
  std::string error;
  bool isSent = sendAll(peer.socket, &answer, sizeof answer, NetworkClock::now() + kPatience, error);
  if (isSent && answer.accepted) {
    peer.rank = static_cast<int>(hello.rank);
    peer.port = static_cast<uint16_t>(hello.port);
    present[peer.rank] = &peer;
    absent.erase(peer.rank);
    return Status::ok();
  }
  peer.socket.close();
  if (answer.otherJob || answer.accepted)
    return Status::ok();
  if (hello.rank < hasHeard.size())
    hasHeard[hello.rank] = true;
  return Status::usage("%s", why.c_str());
}

/// Those that are there hear why there is no meeting, and go; others do while they still come.
void RendezvousServer::cancel(const Status &why) {
  if (fault.failed())
    return;
  fault = why;
  end = std::min(end, secondsFromNow(member.absence));
  TableHeader head{kMeetingMagic, 0, {}};
  setReason(head.why, why.message);
  for (int rank = 1; rank < member.ranks; ++rank) {
    if (!present[rank])
      continue;
    std::string error;
    hasHeard[rank] = sendAll(present[rank]->socket, &head, sizeof head, NetworkClock::now() + kPatience, error);
    present[rank]->rank = -1;
    present[rank]->socket.close();
    present[rank] = nullptr;
  }
}

/// Whether somebody has still to come: to meet the others, or to hear why not.
bool RendezvousServer::isAwaited() const {
  return fault.failed() ? std::find(hasHeard.begin() + 1, hasHeard.end(), false) != hasHeard.end()
                        : std::find(present.begin() + 1, present.end(), nullptr) != present.end();
}

/// The table as each rank can use it: ranks on rank 0's host, which came by its loopback, are for others where rank 0
/// is for them.
Status RendezvousServer::sendTable() {
  std::random_device random;
  peers.token = uint64_t(random()) << 32 | random();
  peers.addresses.assign(member.ranks, ownEnd(peers.listener));
  for (int rank = 1; rank < member.ranks; ++rank) {
    peers.addresses[rank] = otherEnd(present[rank]->socket);
    peers.addresses[rank].port = present[rank]->port;
  }
  for (int to = 1; to < member.ranks; ++to) {
    TableHeader head{kMeetingMagic, peers.token, {}};
    std::vector<TableEntry> table;
    NetworkAddress seen = ownEnd(present[to]->socket);
    for (const NetworkAddress &address : peers.addresses) {
      NetworkAddress usable = address;
      if (table.empty() || address.isLoopback())
        std::memcpy(usable.host, seen.host, sizeof usable.host);
      table.push_back(entryOf(usable));
    }
    NetworkClock::time_point until = NetworkClock::now() + kPatience;
    std::string why;
    if (!sendAll(present[to]->socket, &head, sizeof head, until, why) ||
        !sendAll(present[to]->socket, table.data(), table.size() * sizeof table[0], until, why))
      return Status::usage("rank %d, at %s, has ended before all ranks had met", to,
                           otherEnd(present[to]->socket).hostText().c_str());
  }
  peers.lifelines.resize(member.ranks);
  for (int rank = 1; rank < member.ranks; ++rank)
    peers.lifelines[rank] = std::move(present[rank]->socket);
  return Status::ok();
}

/// "1, 3 and 4"; of many only the first.
std::string RendezvousServer::missing() const {
  constexpr size_t most = 8;
  std::vector<int> ranks;
  for (int rank = 1; rank < member.ranks; ++rank)
    if (!present[rank])
      ranks.push_back(rank);
  std::string text = formatString("rank%s", ranks.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(ranks.size(), most); ++i)
    text += formatString("%s %d", i ? "," : "", ranks[i]);
  return ranks.size() > most ? text + formatString(" and %zu others", ranks.size() - most) : text;
}

/// Connections that wait. When no more files may be open, the oldest one that has not said who it is gives its place.
Status RendezvousServer::receive() {
  for (;;) {
    Socket came = acceptFrom(peers.listener);
    if (came) {
      pending.push_back(std::make_unique<PendingPeer>());
      pending.back()->socket = std::move(came);
      continue;
    }
    if (errno != EMFILE && errno != ENFILE)
      return Status::ok();
    int error = errno;
    auto stranger =
        std::find_if(pending.begin(), pending.end(), [](const auto &peer) { return peer->socket && peer->rank < 0; });
    if (stranger == pending.end())
      return Status::usage("rank 0 cannot take the connections of %d ranks: %s", member.ranks, std::strerror(error));
    (*stranger)->socket.close();
  }
}

/// That no rank has ended before all had met.
Status RendezvousServer::noteAbsence() const {
  for (const auto &[rank, absence] : absent)
    if (NetworkClock::now() - absence.since > std::chrono::duration<double>(member.absence))
      return Status::usage("rank %d, at %s, has ended before all ranks had met", rank, absence.host.c_str());
  return Status::ok();
}

Status RendezvousServer::run(const std::string &ownFault) {
  if (Status status = open(); status.failed())
    return status;
  end = secondsFromNow(member.seconds);
  if (!ownFault.empty())
    cancel(Status::usage("rank 0 does not come: %s", ownFault.c_str()));
  while (isAwaited()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - NetworkClock::now()).count();
    if (left <= 0) {
      cancel(Status::usage("rank 0 waited %g s at %s for %s", member.seconds, place.text().c_str(), missing().c_str()));
      return fault;
    }
    if (Status status = noteAbsence(); status.failed()) {
      cancel(status);
      return fault;
    }
    std::vector<pollfd> waited{{peers.listener.get(), POLLIN, 0}};
    for (const auto &peer : pending)
      waited.push_back({peer->socket.get(), POLLIN, 0});
    if (poll(waited.data(), waited.size(), static_cast<int>(std::min<int64_t>(left, 1000))) <= 0)
      continue;
    for (size_t i = 0; i < pending.size(); ++i)
      if (waited[i + 1].revents && pending[i]->socket)
        if (Status status = readHello(*pending[i]); status.failed())
          cancel(status);
    if (Status status = receive(); status.failed())
      return status;
    pending.erase(std::remove_if(pending.begin(), pending.end(), [](const auto &peer) { return !peer->socket; }),
                  pending.end());
  }
  return fault.failed() ? fault : sendTable();
}

Status receiveRanks(const RendezvousPoint &place, const Member &member, const std::string &fault, PeerTable &peers) {
  return RendezvousServer(place, member, peers).run(fault);
}

} // namespace colo::runtime
