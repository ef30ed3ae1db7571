//===- Links.cpp - messages between processes --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Links.h. A connection begins with a Greeting; then come frames, each a Header
// and its data.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Links.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace colo::runtime {

static constexpr uint64_t kMagic = 0x326f6c6f632d6f63;
/// More than these kept for a rank and channel are given back to the system.
static constexpr size_t kMostSpare = 4;
/// In which all are told that a rank has ended.
static constexpr std::chrono::seconds kNews{1};

namespace {
struct Greeting {
  uint64_t magic, token;
  uint32_t rank, unused;
};
struct Header {
  uint64_t channel, bytes;
  PostedCall call;
};
/// On a connection from the rendezvous.
struct Notice {
  enum : uint32_t { Goodbye, Lost } kind;
  uint32_t rank; ///< that is lost
};
} // namespace

/// A connection of a rank that sends here, and what has come of its next frame.
struct Links::Incoming {
  Socket socket;
  int rank = -1; ///< once it has greeted
  char head[sizeof(Header)];
  size_t headBytes = 0, dataBytes = 0;
  Message message;
};

Links::Links(PeerTable met, int rank, std::function<void(const std::string &)> lost)
    : peers(std::move(met)), rank(rank), lost(std::move(lost)), wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  int error = errno;
  hasEnded.resize(peers.addresses.size());
  isOver.resize(peers.lifelines.size());
  for (size_t i = 0; i < peers.addresses.size(); ++i)
    outgoing.push_back(std::make_unique<Outgoing>());
  if (wake)
    reader = std::thread([this] { read(); });
  else
    this->lost(formatString("rank %d cannot read what other ranks send: %s", rank, std::strerror(error)));
}

Links::~Links() {
  if (!reader.joinable())
    return;
  // An event that nobody has set yet takes it.
  uint64_t one = 1;
  while (write(wake.get(), &one, sizeof one) < 0 && errno == EINTR)
    ;
  reader.join();
}

/// What others do from now on is no matter of this rank.
void Links::sayGoodbye() {
  std::string why;
  Notice goodbye{Notice::Goodbye, 0};
  for (const Socket &line : peers.lifelines)
    if (line)
      sendAll(line, &goodbye, sizeof goodbye, NetworkClock::now() + std::chrono::seconds(1), why);
}

/// Another rank has ended.
void Links::lose(int other) {
  Notice notice{Notice::Lost, static_cast<uint32_t>(other)};
  std::string why;
  if (rank != 0 && other != 0)
    sendAll(peers.lifelines[0], &notice, sizeof notice, NetworkClock::now() + std::chrono::seconds(1), why);
  std::string what = formatString("rank %d, at %s, has ended", other, peers.addresses[other].hostText().c_str());
  lost(rank == 0 ? what : formatString("rank %d stops: %s", rank, what.c_str()));
}

Links::Mailbox &Links::mailbox(int from, uint64_t channel) { return mailboxes[{from, channel}]; }

std::vector<char> Links::takeSpare(int from, uint64_t channel) {
  std::lock_guard<std::mutex> lock(mutex);
  Mailbox &box = mailbox(from, channel);
  std::vector<char> data;
  if (!box.spare.empty()) {
    data = std::move(box.spare.back());
    box.spare.pop_back();
  }
  return data;
}

void Links::deliver(int from, uint64_t channel, Message message) {
  std::lock_guard<std::mutex> lock(mutex);
  Mailbox &box = mailbox(from, channel);
  box.messages.push_back(std::move(message));
  box.came.notify_one();
}

bool Links::receive(int from, uint64_t channel, double seconds, Message &message) {
  std::unique_lock<std::mutex> lock(mutex);
  Mailbox &box = mailbox(from, channel);
  auto isOver = [&] { return !box.messages.empty() || hasEnded[from]; };
  if (!box.came.wait_for(lock, std::chrono::duration<double>(seconds), isOver))
    return false;
  if (box.messages.empty()) {
    lock.unlock();
    lose(from);
    return false;
  }
  message = std::move(box.messages.front());
  box.messages.pop_front();
  return true;
}

void Links::recycle(int from, uint64_t channel, Message message) {
  std::lock_guard<std::mutex> lock(mutex);
  Mailbox &box = mailbox(from, channel);
  if (box.spare.size() < kMostSpare)
    box.spare.push_back(std::move(message.data));
}

std::string Links::open(int to, Outgoing &link, NetworkClock::time_point until) {
  std::string why;
  link.socket = connectTo(peers.addresses[to], until, why);
  Greeting greeting{kMagic, peers.token, static_cast<uint32_t>(rank), 0};
  if (link.socket && sendAll(link.socket, &greeting, sizeof greeting, until, why))
    return "";
  return formatString("no connection to rank %d at %s: %s", to, peers.addresses[to].text().c_str(),
                      why.empty() ? "it has ended" : why.c_str());
}

std::string Links::send(int to, uint64_t channel, const PostedCall &call, const void *data, size_t bytes,
                        double seconds) {
  if (to == rank) {
    Message message{call, takeSpare(rank, channel)};
    auto *begin = static_cast<const char *>(data);
    message.data.assign(begin, begin + bytes);
    deliver(rank, channel, std::move(message));
    return "";
  }
  Outgoing &link = *outgoing[to];
  NetworkClock::time_point until = secondsFromNow(seconds);
  std::lock_guard<std::mutex> lock(link.mutex);
  if (!link.socket)
    if (std::string why = open(to, link, until); !why.empty()) {
      // If its process has ended, who is told by a connection of the meeting says so meanwhile.
      std::this_thread::sleep_for(kNews);
      return why;
    }
  Header header{channel, bytes, call};
  std::string why;
  if (sendAll(link.socket, &header, sizeof header, until, why) && sendAll(link.socket, data, bytes, until, why))
    return "";
  if (why.empty())
    lose(to);
  return formatString("rank %d at %s %s", to, peers.addresses[to].text().c_str(),
                      why.empty() ? "has ended" : ("does not take it: " + why).c_str());
}

/// False when the connection is over.
bool Links::readFrom(Incoming &in) {
  for (;;) {
    size_t headWanted = in.rank < 0 ? sizeof(Greeting) : sizeof(Header);
    bool inHead = in.headBytes < headWanted;
    char *to = inHead ? in.head + in.headBytes : in.message.data.data() + in.dataBytes;
    size_t wanted = inHead ? headWanted - in.headBytes : in.message.data.size() - in.dataBytes;
    if (wanted) {
      ssize_t received = recv(in.socket.get(), to, wanted, 0);
      if (received <= 0)
        return received < 0 && (errno == EAGAIN || errno == EINTR);
      (inHead ? in.headBytes : in.dataBytes) += received;
      if (static_cast<size_t>(received) < wanted)
        continue;
    }
    if (in.rank < 0) {
      Greeting greeting{};
      std::memcpy(&greeting, in.head, sizeof greeting);
      if (greeting.magic != kMagic || greeting.token != peers.token || greeting.rank >= outgoing.size())
        return false;
      in.rank = static_cast<int>(greeting.rank);
      in.headBytes = 0;
      continue;
    }
    Header header{};
    std::memcpy(&header, in.head, sizeof header);
    if (inHead) {
      in.message.call = header.call;
      in.message.data = takeSpare(in.rank, header.channel);
      in.message.data.resize(header.bytes);
      in.dataBytes = 0;
      if (header.bytes)
        continue;
    }
    deliver(in.rank, header.channel, std::move(in.message));
    in.message = Message();
    in.headBytes = in.dataBytes = 0;
    return true; // others have their turn
  }
}

/// Nothing more comes from a rank, whose messages have all been delivered.
void Links::close(Incoming &in) {
  in.socket.close();
  std::lock_guard<std::mutex> lock(mutex);
  if (in.rank < 0)
    return;
  hasEnded[in.rank] = true;
  for (auto &[sender, box] : mailboxes)
    if (sender.first == in.rank)
      box.came.notify_all();
}

/// Connections that wait. When no more files may be open, the oldest one that has not greeted gives its place.
void Links::accept() {
  for (;;) {
    Socket came = acceptFrom(peers.listener);
    if (came) {
      incoming.push_back(std::make_unique<Incoming>());
      incoming.back()->socket = std::move(came);
      continue;
    }
    if (errno != EMFILE && errno != ENFILE)
      return;
    int error = errno;
    auto stranger =
        std::find_if(incoming.begin(), incoming.end(), [](const auto &in) { return in->socket && in->rank < 0; });
    if (stranger == incoming.end())
      return lost(formatString("rank %d cannot take connections of other ranks: %s", rank, std::strerror(error)));
    (*stranger)->socket.close();
  }
}

/// Something came on a connection from the rendezvous.
void Links::watch(size_t index) {
  Notice notice{};
  std::string why;
  bool isNotice =
      receiveAll(peers.lifelines[index], &notice, sizeof notice, NetworkClock::now() + std::chrono::seconds(1), why);
  isOver[index] = true;
  if (isNotice && notice.kind == Notice::Goodbye)
    return;
  bool isNamed = isNotice && notice.rank < peers.addresses.size();
  lose(isNamed ? static_cast<int>(notice.rank) : static_cast<int>(index));
}

void Links::read() {
  std::vector<pollfd> waited;
  for (;;) {
    waited.assign({{wake.get(), POLLIN, 0}, {peers.listener.get(), POLLIN, 0}});
    for (size_t i = 0; i < peers.lifelines.size(); ++i)
      waited.push_back({isOver[i] ? -1 : peers.lifelines[i].get(), POLLIN, 0});
    for (const auto &each : incoming)
      waited.push_back({each->socket.get(), POLLIN, 0});
    if (poll(waited.data(), waited.size(), -1) < 0)
      continue;
    if (waited[0].revents)
      return sayGoodbye();
    const size_t firstLine = 2, firstIncoming = firstLine + peers.lifelines.size();
    for (size_t i = 0; i < incoming.size(); ++i)
      if (waited[firstIncoming + i].revents && !readFrom(*incoming[i]))
        close(*incoming[i]);
    for (size_t i = 0; i < peers.lifelines.size(); ++i)
      if (waited[firstLine + i].revents)
        watch(i);
    accept();
    incoming.erase(std::remove_if(incoming.begin(), incoming.end(), [](const auto &each) { return !each->socket; }),
                   incoming.end());
  }
}

} // namespace colo::runtime
