//===- Network.cpp - sockets and addresses -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Network.h. Sockets are of IPv6, which take IPv4 too; of IPv4 where the system
// has no IPv6. None of them blocks: waiting is by poll, with a limit.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Network.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace colo::runtime {

Socket &Socket::operator=(Socket &&other) noexcept {
  if (this != &other) {
    close();
    file = other.file;
    other.file = -1;
  }
  return *this;
}

void Socket::close() {
  if (file >= 0)
    ::close(file);
  file = -1;
}

/// What the first 12 bytes of an IPv4 address in IPv6 are.
static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool isMapped(const NetworkAddress &address) { return std::memcmp(address.host, kMapped, sizeof kMapped) == 0; }

bool NetworkAddress::isLoopback() const {
  in6_addr v6;
  std::memcpy(&v6, host, sizeof v6);
  return isMapped(*this) ? host[12] == 127 : IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string NetworkAddress::hostText() const {
  char written[INET6_ADDRSTRLEN] = "";
  if (isMapped(*this))
    inet_ntop(AF_INET, host + sizeof kMapped, written, sizeof written);
  else
    inet_ntop(AF_INET6, host, written, sizeof written);
  return written;
}

std::string NetworkAddress::text() const {
  return formatString(isMapped(*this) ? "%s:%d" : "[%s]:%d", hostText().c_str(), port);
}

static NetworkAddress fromSystem(const sockaddr_storage &storage) {
  NetworkAddress address;
  if (storage.ss_family == AF_INET) {
    auto *v4 = reinterpret_cast<const sockaddr_in *>(&storage);
    std::memcpy(address.host, kMapped, sizeof kMapped);
    std::memcpy(address.host + sizeof kMapped, &v4->sin_addr, sizeof v4->sin_addr);
    address.port = ntohs(v4->sin_port);
    return address;
  }
  auto *v6 = reinterpret_cast<const sockaddr_in6 *>(&storage);
  std::memcpy(address.host, &v6->sin6_addr, sizeof address.host);
  address.scope = v6->sin6_scope_id;
  address.port = ntohs(v6->sin6_port);
  return address;
}

/// IPv4 addresses are reached by sockets of IPv4, which every system has.
static socklen_t toSystem(const NetworkAddress &address, sockaddr_storage &storage) {
  storage = {};
  if (isMapped(address)) {
    auto *v4 = reinterpret_cast<sockaddr_in *>(&storage);
    v4->sin_family = AF_INET;
    std::memcpy(&v4->sin_addr, address.host + sizeof kMapped, sizeof v4->sin_addr);
    v4->sin_port = htons(address.port);
    return sizeof *v4;
  }
  auto *v6 = reinterpret_cast<sockaddr_in6 *>(&storage);
  v6->sin6_family = AF_INET6;
  std::memcpy(&v6->sin6_addr, address.host, sizeof address.host);
  v6->sin6_scope_id = address.scope;
  v6->sin6_port = htons(address.port);
  return sizeof *v6;
}

bool listsInterface(const std::string &list, const std::string &name) {
  size_t begin = 0;
  bool leavesOut = list.compare(begin, 1, "^") == 0;
  begin += leavesOut;
  bool isWhole = list.compare(begin, 1, "=") == 0;
  begin += isWhole;
  bool isListed = false;
  std::istringstream parts(list.substr(begin));
  for (std::string part; std::getline(parts, part, ',');)
    isListed |= !part.empty() && (isWhole ? name == part : name.compare(0, part.size(), part) == 0);
  return isListed != leavesOut;
}

/// Bridges of containers have the same address on every host.
uint32_t chooseHost() {
  const char *asked = std::getenv("NCCL_SOCKET_IFNAME");
  std::vector<std::string> lists{"^lo,docker,virbr", "^lo", "lo"};
  if (asked && *asked)
    lists = {asked};
  ifaddrs *all = nullptr;
  if (getifaddrs(&all) != 0)
    return 0;
  uint32_t host = 0;
  for (const std::string &list : lists)
    for (const ifaddrs *each = all; each && !host; each = each->ifa_next)
      if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET && (each->ifa_flags & IFF_UP) &&
          listsInterface(list, each->ifa_name))
        host = reinterpret_cast<const sockaddr_in *>(each->ifa_addr)->sin_addr.s_addr;
  freeifaddrs(all);
  return host;
}

std::vector<NetworkAddress> resolve(const std::string &host, uint16_t port, std::string &why, bool *isUnknown) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  std::vector<NetworkAddress> addresses;
  int error = getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  if (isUnknown)
    *isUnknown = error == EAI_NONAME || error == EAI_NODATA;
  if (error) {
    why = gai_strerror(error);
    return addresses;
  }
  for (const addrinfo *each = found; each; each = each->ai_next) {
    sockaddr_storage storage{};
    std::memcpy(&storage, each->ai_addr, std::min<size_t>(each->ai_addrlen, sizeof storage));
    addresses.push_back(fromSystem(storage));
    addresses.back().port = port;
  }
  freeaddrinfo(found);
  return addresses;
}

static void setFlag(int file, int level, int option, int value) {
  setsockopt(file, level, option, &value, sizeof value);
}

/// Small messages go at once, and a host that has gone without a word is noticed within a minute.
static void tune(int file) {
  setFlag(file, IPPROTO_TCP, TCP_NODELAY, 1);
  setFlag(file, SOL_SOCKET, SO_KEEPALIVE, 1);
  setFlag(file, IPPROTO_TCP, TCP_KEEPIDLE, 20);
  setFlag(file, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  setFlag(file, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static Socket listenWith(int family, uint16_t port, bool onlyLoopback, int &error) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  if (family == AF_INET) {
    auto *v4 = reinterpret_cast<sockaddr_in *>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(onlyLoopback ? INADDR_LOOPBACK : INADDR_ANY);
    v4->sin_port = htons(port);
  } else {
    auto *v6 = reinterpret_cast<sockaddr_in6 *>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof *v6;
    setFlag(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  setFlag(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (!socket || bind(socket.get(), reinterpret_cast<sockaddr *>(&storage), size) != 0 ||
      listen(socket.get(), SOMAXCONN) != 0) {
    error = errno;
    socket.close();
  }
  return socket;
}

Socket listenAt(uint16_t port, bool onlyLoopback, std::string &why) {
  int error = EAFNOSUPPORT;
  Socket socket;
  if (!onlyLoopback)
    socket = listenWith(AF_INET6, port, onlyLoopback, error);
  if (!socket && (error == EAFNOSUPPORT || error == EADDRNOTAVAIL))
    socket = listenWith(AF_INET, port, onlyLoopback, error);
  if (!socket)
    why = std::strerror(error);
  return socket;
}

Socket acceptFrom(const Socket &listener) {
  Socket socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket)
    tune(socket.get());
  return socket;
}

/// Until the socket is ready; false when the time is over.
static bool await(int file, short events, NetworkClock::time_point until) {
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - NetworkClock::now()).count();
    if (left < 0)
      return false;
    pollfd waited{file, events, 0};
    int ready = poll(&waited, 1, static_cast<int>(std::min<decltype(left)>(left, INT_MAX)));
    if (ready > 0)
      return true;
    if (ready == 0 || errno != EINTR)
      return false;
  }
}

static const char *const kLate = "no answer in time";

Socket connectTo(const NetworkAddress &address, NetworkClock::time_point until, std::string &why) {
  sockaddr_storage storage;
  socklen_t size = toSystem(address, storage);
  Socket socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  int error = 0;
  if (!socket || (connect(socket.get(), reinterpret_cast<sockaddr *>(&storage), size) != 0 && errno != EINPROGRESS)) {
    error = errno;
  } else if (!await(socket.get(), POLLOUT, until)) {
    error = ETIMEDOUT;
  } else {
    socklen_t length = sizeof error;
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  // Where nobody listens the system may choose that very port for this end, and so connect it to itself.
  if (!error && ownEnd(socket).text() == otherEnd(socket).text())
    error = ECONNREFUSED;
  if (error) {
    why = std::strerror(error);
    return Socket();
  }
  tune(socket.get());
  return socket;
}

NetworkAddress ownEnd(const Socket &socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(socket.get(), reinterpret_cast<sockaddr *>(&storage), &size);
  return fromSystem(storage);
}

NetworkAddress otherEnd(const Socket &socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getpeername(socket.get(), reinterpret_cast<sockaddr *>(&storage), &size);
  return fromSystem(storage);
}

/// Whether a call that moved nothing may be made again, after waiting.
static bool mayWait(const Socket &socket, short events, NetworkClock::time_point until, std::string &why) {
  if (errno == EINTR)
    return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) {
    why = errno == EPIPE || errno == ECONNRESET ? "" : std::strerror(errno);
    return false;
  }
  if (await(socket.get(), events, until))
    return true;
  why = kLate;
  return false;
}

bool sendAll(const Socket &socket, const void *data, size_t bytes, NetworkClock::time_point until, std::string &why) {
  auto *next = static_cast<const char *>(data);
  while (bytes) {
    ssize_t sent = send(socket.get(), next, bytes, MSG_NOSIGNAL);
    if (sent > 0) {
      next += sent;
      bytes -= sent;
    } else if (!mayWait(socket, POLLOUT, until, why)) {
      return false;
    }
  }
  return true;
}

bool receiveAll(const Socket &socket, void *data, size_t bytes, NetworkClock::time_point until, std::string &why) {
  auto *next = static_cast<char *>(data);
  while (bytes) {
    ssize_t received = recv(socket.get(), next, bytes, 0);
    if (received > 0) {
      next += received;
      bytes -= received;
    } else if (received == 0) {
      why.clear();
      return false;
    } else if (!mayWait(socket, POLLIN, until, why)) {
      return false;
    }
  }
  return true;
}

} // namespace colo::runtime
