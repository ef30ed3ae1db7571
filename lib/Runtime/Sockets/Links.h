//===- Links.h - messages between processes ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank that sends to another opens a connection to it, at its first message. A
// thread of each process reads what comes and keeps it until somebody asks, so
// that whoever sends never waits for a receive, and ranks may all send before
// they receive. Messages of one channel from one rank keep their order.
//
// The connections from the meeting stay open: rank 0 sees at once that another
// rank's process has ended, and all others that rank 0's has. Who sees it first
// tells rank 0 whose process it was.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_SOCKETS_LINKS_H
#define COLO_LIB_RUNTIME_SOCKETS_LINKS_H

#include "CallDescriptor.h"
#include "Sockets/Rendezvous.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace colo::runtime {

/// What its sender called, and the elements.
struct Message {
  PostedCall call;
  std::vector<char> data;
};

/// Of a process. Its functions may be called on all threads at once.
class Links {
public:
  /// `lost` is called, on any thread, when a rank has ended that had not said goodbye, or when
  /// nothing can be read here.
  Links(PeerTable peers, int rank, std::function<void(const std::string &)> lost);
  /// Says goodbye. What was sent still arrives.
  ~Links();
  Links(const Links &) = delete;

  /// Returns "" when the system has taken all of it; else why it has not in so many seconds.
  std::string send(int to, uint64_t channel, const PostedCall &call, const void *data, size_t bytes, double seconds);
  /// The next message of the channel from that rank. False if none came in time. A rank that has ended, though with a
  /// goodbye, is lost to whoever waits for it.
  bool receive(int from, uint64_t channel, double seconds, Message &message);
  /// Gives the memory of a message back for later ones.
  void recycle(int from, uint64_t channel, Message message);

private:
  struct Mailbox {
    std::condition_variable came;
    std::deque<Message> messages;
    std::vector<std::vector<char>> spare;
  };
  struct Outgoing {
    std::mutex mutex;
    Socket socket;
  };
  struct Incoming;

  Mailbox &mailbox(int from, uint64_t channel);
  std::vector<char> takeSpare(int from, uint64_t channel);
  void deliver(int from, uint64_t channel, Message message);
  std::string open(int to, Outgoing &link, NetworkClock::time_point until);
  void read();
  bool readFrom(Incoming &incoming);
  void close(Incoming &incoming);
  void accept();
  void watch(size_t lifeline);
  void lose(int other);
  void sayGoodbye();

  PeerTable peers;
  std::vector<bool> isOver; ///< of lifelines; the reader's
  int rank;
  std::function<void(const std::string &)> lost;
  std::vector<std::unique_ptr<Outgoing>> outgoing; ///< by rank
  std::mutex mutex;                                ///< of the mailboxes and hasEnded
  std::vector<bool> hasEnded;                      ///< by rank
  std::map<std::pair<int, uint64_t>, Mailbox> mailboxes;
  std::vector<std::unique_ptr<Incoming>> incoming; ///< the reader's
  Socket wake;                                     ///< an event that ends the reader
  std::thread reader;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_SOCKETS_LINKS_H
