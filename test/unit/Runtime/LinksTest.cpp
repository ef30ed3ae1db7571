//===- LinksTest.cpp - messages between processes ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ends of all ranks are in one process here.
//
//===----------------------------------------------------------------------===//

#include "Sockets/Links.h"
#include "Files.h"

#include <cstring>
#include <gtest/gtest.h>
#include <sys/resource.h>

using namespace colo::runtime;
using colo::runtime::testing::Folder;

namespace {

/// The ends of a world, and what each has heard of others that have ended.
struct World {
  explicit World(int ranks) : meetings(ranks), lost(ranks), links(ranks) {
    RendezvousPoint place;
    place.file = folder / "place";
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([this, place, rank, ranks] {
        Status status = rendezvous(place, {rank, ranks, "program", 20}, meetings[rank]);
        EXPECT_FALSE(status.failed()) << status.message;
      });
    for (std::thread &thread : threads)
      thread.join();
    for (int rank = 0; rank < ranks; ++rank)
      addresses = meetings[rank].addresses, token = meetings[rank].token;
  }
  void open(int rank) {
    links[rank] = std::make_unique<Links>(std::move(meetings[rank]), rank, [this, rank](const std::string &what) {
      std::lock_guard<std::mutex> lock(mutex);
      lost[rank].push_back(what);
    });
  }
  void openAll() {
    for (size_t rank = 0; rank < links.size(); ++rank)
      open(static_cast<int>(rank));
  }
  /// What a rank hears, in five seconds at most.
  std::string heard(int rank) {
    for (int i = 0; i < 5000; ++i) {
      {
        std::lock_guard<std::mutex> lock(mutex);
        if (!lost[rank].empty())
          return lost[rank][0];
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return "";
  }

  Folder folder;
  std::vector<PeerTable> meetings;
  std::vector<NetworkAddress> addresses;
  uint64_t token = 0;
  std::mutex mutex;
  std::vector<std::vector<std::string>> lost;
  std::vector<std::unique_ptr<Links>> links;
};

PostedCall numbered(uint64_t number) {
  PostedCall call{};
  call.count = number;
  return call;
}

TEST(Links, messagesOfAChannelKeepTheirOrderAndChannelsDoNotMix) {
  World world(2);
  world.openAll();
  for (uint64_t i = 0; i < 100; ++i)
    for (uint64_t channel : {1, 2})
      EXPECT_EQ(world.links[0]->send(1, channel, numbered(100 * channel + i), &i, i % 9, 5), "");
  for (uint64_t channel : {2, 1})
    for (uint64_t i = 0; i < 100; ++i) {
      Message message;
      ASSERT_TRUE(world.links[1]->receive(0, channel, 5, message));
      EXPECT_EQ(message.call.count, 100 * channel + i);
      ASSERT_EQ(message.data.size(), i % 9);
      EXPECT_EQ(std::memcmp(message.data.data(), &i, std::min<size_t>(i % 9, sizeof i)), 0);
      world.links[1]->recycle(0, channel, std::move(message));
    }
}

/// Far more than sockets hold: whoever sends needs no receive.
TEST(Links, ranksMayAllSendBeforeTheyReceive) {
  const int ranks = 3;
  World world(ranks);
  world.openAll();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank)
    threads.emplace_back([&, rank] {
      std::vector<char> data(24 << 20, static_cast<char>(rank + 1));
      for (int to = 0; to < ranks; ++to)
        EXPECT_EQ(world.links[rank]->send(to, 7, numbered(rank), data.data(), data.size(), 60), "");
      for (int from = 0; from < ranks; ++from) {
        Message message;
        ASSERT_TRUE(world.links[rank]->receive(from, 7, 60, message));
        EXPECT_EQ(message.data, std::vector<char>(data.size(), static_cast<char>(from + 1)));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(Links, whatDoesNotComeIsNotAwaitedForEver) {
  World world(2);
  world.openAll();
  Message message;
  EXPECT_FALSE(world.links[0]->receive(1, 1, 0.1, message));
}

TEST(Links, aRankThatEndsWithoutAGoodbyeIsNamed) {
  World world(3);
  world.open(0);
  world.open(1);
  world.meetings[2] = PeerTable(); // its process has ended
  EXPECT_EQ(world.heard(0).rfind("rank 2, at ", 0), 0U);
  EXPECT_TRUE(world.lost[1].empty());
}

TEST(Links, allSeeThatRankZeroHasEnded) {
  World world(3);
  world.open(1);
  world.open(2);
  world.meetings[0] = PeerTable();
  EXPECT_EQ(world.heard(1).rfind("rank 1 stops: rank 0, at ", 0), 0U);
  EXPECT_EQ(world.heard(2).rfind("rank 2 stops: rank 0, at ", 0), 0U);
}

/// Its process ends and stops to listen, but its end is not yet known when rank 1 comes to connect.
TEST(Links, thatARankHasEndedIsHeardBeforeThatItCannotBeReached) {
  World world(3);
  world.open(0);
  world.open(1);
  world.meetings[2].listener.close();
  std::thread ending([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    world.meetings[2] = PeerTable();
  });
  std::string why = world.links[1]->send(2, 1, numbered(0), nullptr, 0, 5);
  {
    std::lock_guard<std::mutex> lock(world.mutex);
    EXPECT_EQ(world.lost[0].size(), 1U);
  }
  EXPECT_EQ(why, "no connection to rank 2 at " + world.addresses[2].text() + ": Connection refused");
  ending.join();
}

/// Of rank 2's end rank 0 knows here by rank 1 alone: its own connection has said goodbye.
TEST(Links, whoSeesThatARankHasEndedTellsRankZero) {
  World world(3);
  world.openAll();
  ASSERT_EQ(world.links[1]->send(2, 1, numbered(0), nullptr, 0, 5), "");
  world.links[2].reset();
  std::string why;
  for (int i = 0; i < 1000 && why.empty(); ++i) {
    why = world.links[1]->send(2, 1, numbered(i), nullptr, 0, 5);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(why, "rank 2 at " + world.addresses[2].text() + " has ended");
  EXPECT_EQ(world.heard(1).rfind("rank 1 stops: rank 2, at ", 0), 0U);
  EXPECT_EQ(world.heard(0).rfind("rank 2, at ", 0), 0U);
}

/// As one that was started for fewer steps.
TEST(Links, aRankThatHasFinishedIsNotAwaited) {
  World world(3);
  world.openAll();
  EXPECT_EQ(world.links[2]->send(1, 1, numbered(7), nullptr, 0, 5), "");
  world.links[2].reset();
  Message message;
  EXPECT_TRUE(world.links[1]->receive(2, 1, 60, message));
  EXPECT_FALSE(world.links[1]->receive(2, 1, 60, message));
  EXPECT_EQ(world.heard(1).rfind("rank 1 stops: rank 2, at ", 0), 0U);
  EXPECT_EQ(world.heard(0).rfind("rank 2, at ", 0), 0U);
}

TEST(Links, whoSaysGoodbyeIsNotMissed) {
  World world(3);
  world.openAll();
  world.links[0].reset();
  world.links[2].reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  world.links[1].reset();
  for (const std::vector<std::string> &heard : world.lost)
    EXPECT_TRUE(heard.empty());
}

/// Nothing is left behind that would go on reading.
TEST(Links, thatNoMoreFilesMayBeOpenedIsSaid) {
  World world(2);
  rlimit before{}, none{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  none.rlim_max = before.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  world.open(0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(world.lost[0], std::vector<std::string>{"rank 0 cannot read what other ranks send: Too many open files"});
  world.links[0].reset();
}

/// The token is what a stranger does not know.
TEST(Links, whatStrangersSendReachesNobody) {
  World world(2);
  world.openAll();
  struct {
    uint64_t magic = 0x326f6c6f632d6f63, token;
    uint32_t rank = 0, unused = 0;
    uint64_t channel = 1, bytes = 0;
    PostedCall call{};
  } forged;
  forged.token = world.token + 1;
  std::string why;
  auto soon = [] { return NetworkClock::now() + std::chrono::seconds(5); };
  Socket stranger = connectTo(world.addresses[1], soon(), why);
  ASSERT_TRUE(sendAll(stranger, &forged, sizeof forged, soon(), why));
  char byte;
  EXPECT_FALSE(receiveAll(stranger, &byte, 1, soon(), why)); // sent away
  Message message;
  EXPECT_FALSE(world.links[1]->receive(0, 1, 0.1, message));
  forged.token = world.token;
  Socket known = connectTo(world.addresses[1], soon(), why);
  ASSERT_TRUE(sendAll(known, &forged, sizeof forged, soon(), why));
  EXPECT_TRUE(world.links[1]->receive(0, 1, 5, message));
}

} // namespace
