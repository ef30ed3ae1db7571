//===- Rendezvous.h - how processes find each other --------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rank 0 waits at a place that all ranks know: an address and port that the
// launcher or the user says, or one that rank 0 writes into a file that all can
// read. Each other rank comes there, says who it is and where it listens, and
// gets the table of all when all have come. Ranks of another job, of another
// program or of another number of ranks are sent away with the reason. When there
// will be no meeting rank 0 says why to all that have come or still come.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_SOCKETS_RENDEZVOUS_H
#define COLO_LIB_RUNTIME_SOCKETS_RENDEZVOUS_H

#include "Sockets/Network.h"
#include "colo/Runtime/Status.h"

namespace colo::runtime {

/// What all ranks know before they meet.
struct RendezvousPoint {
  std::string file;   ///< empty: the place is an address
  std::string host;   ///< by its name or number
  uint16_t port = 0;  ///< rank 0 takes the first free one
  uint16_t ports = 1; ///< of so many
  std::string job;    ///< by which ranks of several jobs are told apart; may be empty
  std::string text() const;
};

/// `flag` is file:///PATH or tcp://HOST:PORT, or empty: then MASTER_ADDR and MASTER_PORT say where. A launcher may
/// itself listen at MASTER_PORT, so it is the first of several.
Status findRendezvousPoint(const std::string &flag, RendezvousPoint &place);

/// What a rank says of itself.
struct Member {
  int rank = 0, ranks = 1;
  std::string program; ///< equal for ranks that run the same program
  double seconds = 0;  ///< to wait for the others
  /// Seconds in which one that has gone may come again, before all have met, and in which who comes late still hears
  /// why there is no meeting.
  double absence = 10;
  double unknownHost = 30; ///< in which a host's name may come to be known: launchers start ranks before that
};

/// What a rank has when all have met.
struct PeerTable {
  Socket listener;                       ///< of this rank, at its place in the table
  std::vector<NetworkAddress> addresses; ///< by rank: where it listens, as this rank reaches it
  uint64_t token = 0;                    ///< of this meeting alone
  /// Connections from the meeting: rank 0 has one to each, others one to rank 0, which is the first.
  std::vector<Socket> lifelines;
};

/// Returns when all ranks have met; else, with a usage error, which of them did not come in time or do not belong, or
/// what one that will not come has said.
Status rendezvous(const RendezvousPoint &place, const Member &member, PeerTable &peers);

/// For a rank that has found a fault of its own, in one line, and does not meet the others: all of them hear of it from
/// rank 0, and stop. Returns when they have, or when rank 0 has; after Member::absence if they do not come.
void cancelRendezvous(const RendezvousPoint &place, const Member &member, const std::string &why);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_SOCKETS_RENDEZVOUS_H
