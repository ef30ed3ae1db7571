//===- Network.h - sockets and addresses -------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the runtime needs of the system's network. Functions that fail say why
// in a line without the address.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_SOCKETS_NETWORK_H
#define COLO_LIB_RUNTIME_SOCKETS_NETWORK_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace colo::runtime {

using NetworkClock = std::chrono::steady_clock;

/// `seconds` from now, of which --comm-timeout allows 1e9.
inline NetworkClock::time_point secondsFromNow(double seconds) {
  return NetworkClock::now() +
         std::chrono::duration_cast<NetworkClock::duration>(std::chrono::duration<double>(seconds));
}

/// An open file, closed with its owner.
class Socket {
public:
  Socket() = default;
  explicit Socket(int file) : file(file) {}
  Socket(Socket &&other) noexcept : file(other.file) { other.file = -1; }
  Socket &operator=(Socket &&other) noexcept;
  ~Socket() { close(); }
  void close();
  int get() const { return file; }
  explicit operator bool() const { return file >= 0; }

private:
  int file = -1;
};

/// An address and port as they travel between processes. IPv4 is kept as it is mapped into IPv6.
struct NetworkAddress {
  uint8_t host[16] = {};
  uint32_t scope = 0; ///< of a link-local IPv6 address
  uint16_t port = 0;  ///< in the machine's order

  bool isLoopback() const;
  std::string hostText() const;
  /// As people write it: 10.0.0.2:29500 or [fe80::1]:29500.
  std::string text() const;
};

/// Whether an interface is one of NCCL_SOCKET_IFNAME: beginnings of names with commas between them, whole names behind
/// "=", all others behind "^".
bool listsInterface(const std::string &list, const std::string &name);

/// The IPv4 address of this host, in the network's order: of the first interface that is up and that
/// NCCL_SOCKET_IFNAME lists, or else of the first that is up, loopback last. 0: none.
uint32_t chooseHost();

/// The addresses of a host by its name or number; empty with `why` if it has none. `isUnknown`: whoever knows names has
/// said that there is none, rather than that they cannot be asked now.
std::vector<NetworkAddress> resolve(const std::string &host, uint16_t port, std::string &why,
                                    bool *isUnknown = nullptr);

/// Accepts connections at the port, which is chosen if it is 0: of all interfaces, or of the loopback alone.
Socket listenAt(uint16_t port, bool onlyLoopback, std::string &why);
/// The next of those that came, or none.
Socket acceptFrom(const Socket &listener);
/// A connection, or none when it has failed or the time is over.
Socket connectTo(const NetworkAddress &address, NetworkClock::time_point until, std::string &why);
/// The ends of a connection, or where a listener is.
NetworkAddress ownEnd(const Socket &socket);
NetworkAddress otherEnd(const Socket &socket);

/// All bytes, or false when the other end has gone or the time is over. A `why` of "" says that it has gone.
bool sendAll(const Socket &socket, const void *data, size_t bytes, NetworkClock::time_point until, std::string &why);
bool receiveAll(const Socket &socket, void *data, size_t bytes, NetworkClock::time_point until, std::string &why);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_SOCKETS_NETWORK_H
