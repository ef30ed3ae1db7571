//===- Meeting.h - what ranks send each other when they meet ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank sends a Hello and gets an Answer at once, then, when all are there or one
// will not come, a TableHeader and the table. Numbers are in the order of the machine's bytes; one
// with another order does not know the magic.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_SOCKETS_MEETING_H
#define COLO_LIB_RUNTIME_SOCKETS_MEETING_H

#include "Sockets/Rendezvous.h"

namespace colo::runtime {

/// With the form's version.
constexpr uint64_t kMeetingMagic = 0x346f6c6f632d6f63;
/// Who is connected answers so soon, or is not rank 0.
constexpr std::chrono::seconds kPatience{3};
constexpr int kMostPort = 65535;
/// The first word of the file, where ranks meet through one.
constexpr char kFileMagic[] = "colo ";

/// A line for people, with its end.
using Reason = char[1000];

struct Hello {
  uint64_t magic, job, program;
  uint32_t rank, ranks, port, unused;
  Reason fault; ///< empty, or why this rank does not come
};
struct Answer {
  uint64_t magic;
  uint32_t accepted, otherJob;
  Reason why;
};
struct TableHeader {
  uint64_t magic, token;
  Reason why; ///< empty, or why there is no table
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

/// False if the file is not there or not rank 0's.
bool readPublished(const std::string &path, PublishedPoint &published);

/// Of a text that all ranks have alike, as it travels; 0 of an empty one.
uint64_t hashOf(const std::string &text);

/// Empty if it is not set.
std::string environmentText(const char *variable);

/// Whether the host is 127.0.0.1, where listenAt can listen alone: other hosts cannot come there.
bool isLocalName(const std::string &host);

/// Cuts what is too long.
void setReason(Reason &reason, const std::string &text);
/// As it came.
std::string textOf(const Reason &reason);

/// Rank 0's half of rendezvous(), and of cancelRendezvous() with a fault.
Status receiveRanks(const RendezvousPoint &place, const Member &member, const std::string &fault, PeerTable &peers);
/// That of the others.
Status joinRanks(const RendezvousPoint &place, const Member &member, const std::string &fault, PeerTable &peers);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_SOCKETS_MEETING_H
