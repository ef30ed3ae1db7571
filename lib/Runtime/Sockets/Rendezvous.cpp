//===- Rendezvous.cpp - how processes find each other ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Rendezvous.h. A rank sends a Hello and gets an Answer at once, then, when all
// are there, a TableHeader and the table. Numbers are in the order of the machine's
// bytes; one with another order does not know the magic.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Rendezvous.h"
#include "colo/Runtime/Options.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <random>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace colo::runtime {

/// With the form's version.
static constexpr uint64_t kMagic = 0x326f6c6f632d6f63;
/// Who is connected answers so soon, or is not rank 0.
static constexpr std::chrono::seconds kPatience{3};
/// From a launcher's port on rank 0 takes the first free one of so many.
static constexpr uint16_t kLauncherPorts = 16;
static constexpr int kMostPort = 65535;
static constexpr size_t kMostFlags = 16;
/// So long who comes still hears why there is no rendezvous.
static constexpr std::chrono::seconds kFarewell{1};
/// The first word of the file, where ranks meet through one.
static constexpr char kFileMagic[] = "colo ";

namespace {
struct Hello {
  uint64_t magic, job, program;
  uint32_t rank, ranks, port, unused;
  uint64_t flags[kMostFlags];
};
struct Answer {
  uint64_t magic;
  uint32_t accepted, otherJob;
  char why[240];
};
struct TableHeader {
  uint64_t magic, token;
};
struct TableEntry {
  uint8_t host[16];
  uint32_t port;
};

/// What rank 0 writes into the file.
struct PublishedPoint {
  std::string host, secret;
  int port = 0;
};

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

static uint64_t hashOf(const std::string &text) { return text.empty() ? 0 : std::hash<std::string>()(text); }

static std::string textOf(const char *variable) {
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
    if (std::string text = textOf(variable); !text.empty())
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
  std::string host = textOf("MASTER_ADDR"), port = textOf("MASTER_PORT");
  if (host.empty() || port.empty())
    return Status::usage("processes without MPI need a place to meet: MASTER_ADDR and MASTER_PORT, as torchrun sets "
                         "them, or --rendezvous=tcp://HOST:PORT or --rendezvous=file:///PATH");
  if (Status status = setAddress("MASTER_PORT=" + port, host, port, place); status.failed())
    return status;
  // torchrun's own agent listens at the port where it says so.
  if (textOf("TORCHELASTIC_USE_AGENT_STORE") == "True" && place.port < kMostPort)
    ++place.port;
  place.ports = static_cast<uint16_t>(std::min<int>(kLauncherPorts, kMostPort - place.port + 1));
  return Status::ok();
}

/// Whether the host is 127.0.0.1, where listenAt can listen alone: other hosts cannot come there.
static bool isLocalName(const std::string &host) { return host == "localhost" || host == "127.0.0.1"; }

static TableEntry entryOf(const NetworkAddress &address) {
  TableEntry entry{{}, address.port};
  std::memcpy(entry.host, address.host, sizeof entry.host);
  return entry;
}

/// Links between hosts have a number of each host's own: those of a table are of the link by which rank 0 was reached.
static NetworkAddress addressOf(const TableEntry &entry, uint32_t scope) {
  NetworkAddress address;
  std::memcpy(address.host, entry.host, sizeof address.host);
  address.scope = scope;
  address.port = static_cast<uint16_t>(entry.port);
  return address;
}

namespace {
/// Where rank 0 receives the others.
class RendezvousServer {
public:
  RendezvousServer(const RendezvousPoint &place, const Member &member, PeerTable &peers)
      : place(place), member(member), peers(peers), present(member.ranks, nullptr), job(hashOf(place.job)) {}
  ~RendezvousServer();
  Status run();

private:
  Status open();
  Status publish();
  Status readHello(PendingPeer &peer);
  Status acceptHello(PendingPeer &peer, const Hello &hello);
  std::string otherFlag(const Hello &hello) const;
  Status receive();
  void leave(PendingPeer &peer);
  Status noteAbsence() const;
  Status sendTable();
  std::string missing() const;

  const RendezvousPoint &place;
  const Member &member;
  PeerTable &peers;
  std::vector<std::unique_ptr<PendingPeer>> pending;
  std::vector<PendingPeer *> present; ///< by rank
  struct Absence {
    NetworkClock::time_point since;
    std::string host;
  };
  std::map<int, Absence> absent; ///< ranks that have been present
  uint64_t job;
  std::string secret; ///< in the file, once it is there
  Status fault;       ///< that ends the meeting
};
} // namespace

/// False if the file is not there or not rank 0's.
static bool readPublished(const std::string &path, PublishedPoint &published) {
  std::ifstream file(path);
  std::string magic;
  return file >> magic >> published.host >> published.port >> published.secret && magic == "colo" &&
         published.port > 0 && published.port <= kMostPort;
}

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
  if (std::string asked = textOf("NCCL_SOCKET_IFNAME"); !host.s_addr && !asked.empty())
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
  if (peer.rank >= 0 || received <= 0 || hello.magic != kMagic || peer.hasGone()) {
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

/// The first that is not rank 0's; empty if there is none.
std::string RendezvousServer::otherFlag(const Hello &hello) const {
  for (size_t i = 0; i < member.flags.size(); ++i)
    if (hello.flags[i] != hashOf(member.flags[i].second))
      return member.flags[i].first;
  return "";
}

/// A rank of this job that cannot be one of these ranks ends the meeting: the right one will not come.
Status RendezvousServer::acceptHello(PendingPeer &peer, const Hello &hello) {
  Answer answer{kMagic, 0, hello.job != job, ""};
  std::string who = formatString("rank %u, at %s,", hello.rank, otherEnd(peer.socket).hostText().c_str()), why;
  // One that had no answer in time comes again, and both may be heard of at once.
  if (hello.rank < present.size() && present[hello.rank] && present[hello.rank]->hasGone())
    leave(*present[hello.rank]);
  if (answer.otherJob)
    why = "rank 0 there is of another job";
  else if (fault.failed())
    why = fault.message;
  else if (hello.program != hashOf(member.program))
    why = who + " runs another program than rank 0";
  else if (hello.ranks != static_cast<uint32_t>(member.ranks))
    why = who + formatString(" was started as one of %u ranks, rank 0 as one of %d", hello.ranks, member.ranks);
  else if (std::string flag = otherFlag(hello); !flag.empty())
    why = who + " was started with another " + flag + " than rank 0";
  else if (hello.rank >= hello.ranks || hello.rank == 0 || present[hello.rank])
    why = who + " is there already: two processes were started as the same rank";
  answer.accepted = why.empty();
  std::strncpy(answer.why, why.c_str(), sizeof answer.why - 1);
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
  return answer.otherJob || answer.accepted ? Status::ok() : Status::usage("%s", why.c_str());
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
    TableHeader head{kMagic, peers.token};
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

Status RendezvousServer::run() {
  if (Status status = open(); status.failed())
    return status;
  NetworkClock::time_point end = secondsFromNow(member.seconds);
  while (std::count(present.begin() + 1, present.end(), nullptr)) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - NetworkClock::now()).count();
    if (left <= 0 && fault.failed())
      return fault;
    if (left <= 0)
      return Status::usage("rank 0 waited %g s at %s for %s", member.seconds, place.text().c_str(), missing().c_str());
    if (Status status = noteAbsence(); status.failed())
      return status;
    std::vector<pollfd> waited{{peers.listener.get(), POLLIN, 0}};
    for (const auto &peer : pending)
      waited.push_back({peer->socket.get(), POLLIN, 0});
    if (poll(waited.data(), waited.size(), static_cast<int>(std::min<int64_t>(left, 1000))) <= 0)
      continue;
    for (size_t i = 0; i < pending.size(); ++i)
      if (waited[i + 1].revents)
        if (Status status = readHello(*pending[i]); status.failed() && !fault.failed()) {
          fault = status;
          end = std::min(end, NetworkClock::now() + kFarewell);
        }
    if (Status status = receive(); status.failed())
      return status;
    pending.erase(std::remove_if(pending.begin(), pending.end(), [](const auto &peer) { return !peer->socket; }),
                  pending.end());
  }
  return fault.failed() ? fault : sendTable();
}

namespace {
/// A rank on its way to rank 0.
class RendezvousClient {
public:
  RendezvousClient(const RendezvousPoint &place, const Member &member, PeerTable &peers)
      : place(place), member(member), peers(peers) {}
  Status run();

private:
  enum class Outcome { Met, TryAgain, Failed };
  std::vector<NetworkAddress> candidates(uint64_t &job);
  Outcome handshake(const NetworkAddress &address, uint64_t job);
  Outcome receiveTable(Socket &socket, const NetworkAddress &address);

  const RendezvousPoint &place;
  const Member &member;
  PeerTable &peers;
  NetworkClock::time_point begin = NetworkClock::now(), end;
  std::string why; ///< the last fault of a candidate
  Status fault;
};
} // namespace

/// Where rank 0 may be now; `job` is what it takes for its own.
std::vector<NetworkAddress> RendezvousClient::candidates(uint64_t &job) {
  std::vector<NetworkAddress> found;
  if (place.file.empty()) {
    job = hashOf(place.job);
    std::vector<NetworkAddress> hosts = resolve(place.host, place.port, why);
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
  if (!receiveAll(socket, &head, sizeof head, later, error) || head.magic != kMagic ||
      !receiveAll(socket, table.data(), table.size() * sizeof table[0], later, error)) {
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
  Hello hello{kMagic,
              job,
              hashOf(member.program),
              static_cast<uint32_t>(member.rank),
              static_cast<uint32_t>(member.ranks),
              ownEnd(peers.listener).port,
              0,
              {}};
  for (size_t i = 0; i < member.flags.size(); ++i)
    hello.flags[i] = hashOf(member.flags[i].second);
  Answer answer{};
  std::string error;
  if (!sendAll(socket, &hello, sizeof hello, soon, error) || !receiveAll(socket, &answer, sizeof answer, soon, error) ||
      answer.magic != kMagic) {
    why = formatString("what answers at %s is not rank 0", address.text().c_str());
    return Outcome::TryAgain;
  }
  if (answer.accepted)
    return receiveTable(socket, address);
  answer.why[sizeof answer.why - 1] = '\0';
  why = answer.why;
  if (answer.otherJob)
    return Outcome::TryAgain;
  fault = Status::usage("%s", answer.why);
  return Outcome::Failed;
}

Status RendezvousClient::run() {
  end = secondsFromNow(member.seconds);
  // Rank 0 is soon there, or starts late: many ranks must not keep its host busy.
  std::chrono::milliseconds pause{20}, longest{500};
  while (NetworkClock::now() < end) {
    uint64_t job = 0;
    for (const NetworkAddress &address : candidates(job))
      if (Outcome outcome = handshake(address, job); outcome != Outcome::TryAgain)
        return fault;
    std::this_thread::sleep_for(pause);
    pause = std::min(longest, 2 * pause);
  }
  return Status::usage("rank %d found no rank 0 at %s in %g s: %s", member.rank, place.text().c_str(), member.seconds,
                       why.c_str());
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
  return member.rank == 0 ? RendezvousServer(place, member, peers).run() : RendezvousClient(place, member, peers).run();
}

} // namespace colo::runtime
