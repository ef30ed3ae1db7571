//===- RendezvousTest.cpp - how processes find each other --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ranks are threads here, which come late, twice, or from elsewhere.
//
//===----------------------------------------------------------------------===//

#include "Files.h"
#include "Sockets/Meeting.h"

#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <sys/resource.h>
#include <thread>

using namespace colo::runtime;
using colo::runtime::testing::Folder;

namespace {

/// A port that nobody listens at.
uint16_t freePort() {
  std::string why;
  return ownEnd(listenAt(0, /*onlyLoopback=*/true, why)).port;
}

RendezvousPoint addressPlace(uint16_t port = freePort(), uint16_t ports = 1) {
  RendezvousPoint place;
  place.host = "localhost";
  place.port = port;
  place.ports = ports;
  return place;
}

RendezvousPoint filePlace(const std::string &file) {
  RendezvousPoint place;
  place.file = file;
  return place;
}

struct Outcome {
  Status status;
  PeerTable meeting;
};

/// What becomes of each member, all of which come to the place at the same time, or the first later than the others.
std::vector<Outcome> meetAll(const std::vector<RendezvousPoint> &places, const std::vector<Member> &members,
                             std::chrono::milliseconds delay = {}) {
  std::vector<Outcome> outcomes(members.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < members.size(); ++i)
    threads.emplace_back([&, i] {
      if (i == 0)
        std::this_thread::sleep_for(delay);
      outcomes[i].status = rendezvous(places[i % places.size()], members[i], outcomes[i].meeting);
    });
  for (std::thread &thread : threads)
    thread.join();
  return outcomes;
}

std::vector<Member> world(int ranks, double seconds = 20) {
  std::vector<Member> members;
  for (int rank = 0; rank < ranks; ++rank)
    members.push_back({rank, ranks, "program", seconds});
  return members;
}

/// That all have met: each can be reached where every table says, under one token.
void expectMet(std::vector<Outcome> &outcomes) {
  for (Outcome &outcome : outcomes) {
    ASSERT_FALSE(outcome.status.failed()) << outcome.status.message;
    ASSERT_EQ(outcome.meeting.addresses.size(), outcomes.size());
    EXPECT_EQ(outcome.meeting.token, outcomes[0].meeting.token);
  }
  for (Outcome &outcome : outcomes)
    for (size_t to = 0; to < outcomes.size(); ++to) {
      if (&outcome == &outcomes[to])
        continue;
      std::string why;
      Socket socket = connectTo(outcome.meeting.addresses[to], NetworkClock::now() + std::chrono::seconds(5), why);
      ASSERT_TRUE(socket) << why;
      Socket came;
      for (int i = 0; i < 500 && !came; ++i) {
        came = acceptFrom(outcomes[to].meeting.listener);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      ASSERT_TRUE(came);
      EXPECT_EQ(otherEnd(came).port, ownEnd(socket).port);
    }
}

TEST(Rendezvous, allMeetAtAnAddressThoughRankZeroComesLast) {
  auto outcomes = meetAll({addressPlace()}, world(5), std::chrono::milliseconds(200));
  expectMet(outcomes);
}

/// A listener at 127.0.0.1 alone would miss those who come to these.
TEST(Rendezvous, allMeetAtAnyNumberOfTheLoopback) {
  for (const char *host : {"127.0.1.1", "::1"}) {
    RendezvousPoint place = addressPlace();
    place.host = host;
    std::string why;
    Socket probed = listenAt(0, /*onlyLoopback=*/false, why);
    std::vector<NetworkAddress> addresses = resolve(host, ownEnd(probed).port, why);
    if (addresses.empty() || !connectTo(addresses[0], NetworkClock::now() + std::chrono::seconds(5), why))
      continue; // a machine without IPv6
    auto outcomes = meetAll({place}, world(3));
    expectMet(outcomes);
  }
}

/// As where the limit of files is less than the number of ranks.
TEST(Rendezvous, moreRanksMeetThanFilesMayBeOpen) {
  rlimit before{}, few{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few.rlim_cur = 16;
  few.rlim_max = before.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  auto outcomes = meetAll({addressPlace()}, world(8, /*seconds=*/5));
  setrlimit(RLIMIT_NOFILE, &before);
  expectMet(outcomes);
}

TEST(Rendezvous, allMeetThroughAFileWhichIsGoneThen) {
  Folder folder;
  auto outcomes = meetAll({filePlace(folder / "place")}, world(4), std::chrono::milliseconds(100));
  expectMet(outcomes);
  EXPECT_FALSE(std::filesystem::exists(folder / "place"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

TEST(Rendezvous, aFileThatAnEarlierRunLeftIsNotBelieved) {
  Folder folder;
  folder.write("place", "colo 127.0.0.1 " + std::to_string(freePort()) + " secret\n");
  auto outcomes = meetAll({filePlace(folder / "place")}, world(3), std::chrono::milliseconds(200));
  expectMet(outcomes);
}

TEST(Rendezvous, rankZeroTakesTheNextPortOfALaunchersThatIsFree) {
  std::string why;
  Socket taken = listenAt(0, /*onlyLoopback=*/true, why);
  auto outcomes = meetAll({addressPlace(ownEnd(taken).port, /*ports=*/8)}, world(3));
  expectMet(outcomes);
}

TEST(Rendezvous, aPortThatIsTakenIsAnErrorWhereTheUserHasChosenIt) {
  std::string why;
  Socket taken = listenAt(0, /*onlyLoopback=*/true, why);
  uint16_t port = ownEnd(taken).port;
  PeerTable meeting;
  Status status = rendezvous(addressPlace(port), {0, 2, "program", 5}, meeting);
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message,
            "rank 0 cannot wait for the other ranks at localhost:" + std::to_string(port) + ": Address already in use");
}

TEST(Rendezvous, whoDoesNotComeIsNamed) {
  std::vector<Member> members = world(5, /*seconds=*/1);
  RendezvousPoint place = addressPlace();
  auto outcomes = meetAll({place}, {members[0], members[2], members[4]});
  EXPECT_EQ(outcomes[0].status.message, "rank 0 waited 1 s at " + place.text() + " for ranks 1, 3");
  for (const Outcome &outcome : outcomes) {
    EXPECT_EQ(outcome.status.code, ExitUsage);
    EXPECT_EQ(outcome.status.message, outcomes[0].status.message);
  }
}

/// Of its own fault, which no other has: soon, though another has not yet come.
TEST(Rendezvous, whoDoesNotComeTellsAllWhy) {
  RendezvousPoint place = addressPlace();
  for (int failing : {0, 2}) {
    std::vector<Member> members = world(4, /*seconds=*/60);
    std::vector<Outcome> outcomes(4);
    std::vector<std::thread> threads;
    for (int rank = 0; rank < 4; ++rank)
      threads.emplace_back([&, rank] {
        std::this_thread::sleep_for(std::chrono::milliseconds(rank == 3 ? 500 : 0));
        if (rank == failing)
          return cancelRendezvous(place, members[rank], "cannot read data");
        outcomes[rank].status = rendezvous(place, members[rank], outcomes[rank].meeting);
      });
    auto begin = NetworkClock::now();
    for (std::thread &thread : threads)
      thread.join();
    EXPECT_LT(NetworkClock::now() - begin, std::chrono::seconds(5));
    for (int rank = 0; rank < 4; ++rank)
      EXPECT_EQ(outcomes[rank].status.message, rank == failing ? ""
                                               : failing       ? "rank 2, at 127.0.0.1, does not come: cannot read data"
                                                               : "rank 0 does not come: cannot read data");
  }
}

TEST(Rendezvous, whoDoesNotComeAndFindsNobodyToTellEnds) {
  for (int rank : {0, 1}) {
    auto begin = NetworkClock::now();
    cancelRendezvous(addressPlace(), {rank, 2, "program", 60, /*absence=*/0.5}, "cannot read data");
    EXPECT_LT(NetworkClock::now() - begin, std::chrono::seconds(5));
  }
}

TEST(Rendezvous, rankZeroThatDoesNotComeIsNamed) {
  RendezvousPoint place = addressPlace();
  auto outcomes = meetAll({place}, {{1, 2, "program", 0.5}});
  EXPECT_EQ(outcomes[0].status.message, "rank 1 found no rank 0 at " + place.text() + " in 0.5 s: Connection refused");
}

/// Names have no spaces, so no server is asked.
TEST(Rendezvous, aHostThatNobodyKnowsIsNotTriedForTheWholeTime) {
  RendezvousPoint place = addressPlace(80);
  place.host = "no host";
  auto begin = NetworkClock::now();
  auto outcomes = meetAll({place}, {{1, 2, "program", /*seconds=*/60, /*absence=*/10, /*unknownHost=*/0.5}});
  EXPECT_EQ(outcomes[0].status.code, ExitUsage);
  EXPECT_EQ(outcomes[0].status.message,
            "rank 1 cannot go to rank 0 at no host:80: no host of that name in 0.5 s: Name or service not known");
  EXPECT_GT(NetworkClock::now() - begin, std::chrono::milliseconds(500));
  EXPECT_LT(NetworkClock::now() - begin, std::chrono::seconds(10));
}

TEST(Rendezvous, anotherProgramIsToldToBothAtOnce) {
  auto outcomes = meetAll({addressPlace()}, {{0, 2, "program", 60}, {1, 2, "another", 60}});
  for (const Outcome &outcome : outcomes)
    EXPECT_EQ(outcome.status.message, "rank 1, at 127.0.0.1, runs another program than rank 0");
}

TEST(Rendezvous, whoComesLaterHearsWhyThereIsNoMeeting) {
  RendezvousPoint place = addressPlace();
  std::vector<Member> members{{0, 3, "program", 60}, {1, 3, "another", 60}, {2, 3, "program", 60}};
  std::vector<Outcome> outcomes(3);
  std::thread zero([&] { outcomes[0].status = rendezvous(place, members[0], outcomes[0].meeting); });
  for (int rank : {1, 2})
    outcomes[rank].status = rendezvous(place, members[rank], outcomes[rank].meeting);
  zero.join();
  for (const Outcome &outcome : outcomes)
    EXPECT_EQ(outcome.status.message, "rank 1, at 127.0.0.1, runs another program than rank 0");
}

TEST(Rendezvous, anotherNumberOfRanksIsToldToBothAtOnce) {
  auto outcomes = meetAll({addressPlace()}, {{0, 2, "program", 60}, {1, 3, "program", 60}});
  for (const Outcome &outcome : outcomes)
    EXPECT_EQ(outcome.status.message, "rank 1, at 127.0.0.1, was started as one of 3 ranks, rank 0 as one of 2");
}

TEST(Rendezvous, aRankThatIsThereTwiceEndsTheMeeting) {
  auto outcomes =
      meetAll({addressPlace()}, {{0, 3, "program", 60, /*absence=*/0.5}, {1, 3, "program", 60}, {1, 3, "program", 60}});
  EXPECT_EQ(outcomes[0].status.message,
            "rank 1, at 127.0.0.1, is there already: two processes were started as the same rank");
  EXPECT_TRUE(outcomes[1].status.failed() && outcomes[2].status.failed());
}

/// Two jobs whose launchers say the same port, as two that share a host may.
TEST(Rendezvous, jobsAtOnePlaceEachMeetTheirOwn) {
  RendezvousPoint mine = addressPlace(freePort(), /*ports=*/8), theirs = mine;
  mine.job = "mine";
  theirs.job = "theirs";
  std::vector<Member> ranks = world(2);
  auto outcomes = meetAll({mine, theirs, mine, theirs}, {ranks[0], ranks[0], ranks[1], ranks[1]});
  for (const Outcome &outcome : outcomes)
    ASSERT_FALSE(outcome.status.failed()) << outcome.status.message;
  EXPECT_EQ(outcomes[0].meeting.token, outcomes[2].meeting.token);
  EXPECT_EQ(outcomes[1].meeting.token, outcomes[3].meeting.token);
  EXPECT_NE(outcomes[0].meeting.token, outcomes[1].meeting.token);
}

TEST(Rendezvous, allMeetAtAddressesOfTheLoopbackOtherThanItsUsualOne) {
  for (const char *host : {"127.0.0.2", "::1"}) {
    RendezvousPoint place = addressPlace();
    place.host = host;
    std::string why;
    Socket tried = connectTo(resolve(host, place.port, why)[0], NetworkClock::now() + std::chrono::seconds(1), why);
    if (why != "Connection refused")
      continue; // this system has no IPv6
    auto outcomes = meetAll({place}, world(3));
    expectMet(outcomes);
  }
}

/// A rank 1 of three whose process ends when rank 0 has welcomed it.
void visitAndEnd(const RendezvousPoint &place) {
  Hello hello{kMeetingMagic, 0, hashOf("program"), 1, 3, 1, 0, {}};
  std::string why;
  auto soon = NetworkClock::now() + std::chrono::seconds(5);
  Socket socket;
  while (!socket && NetworkClock::now() < soon)
    socket = connectTo(resolve("127.0.0.1", place.port, why)[0], soon, why);
  Answer answer{};
  EXPECT_TRUE(sendAll(socket, &hello, sizeof hello, soon, why));
  EXPECT_TRUE(receiveAll(socket, &answer, sizeof answer, soon, why));
  EXPECT_TRUE(answer.accepted);
}

TEST(Rendezvous, aRankThatEndsBeforeAllHaveMetIsNamedSoon) {
  RendezvousPoint place = addressPlace();
  std::thread visit([&] { visitAndEnd(place); });
  PeerTable meeting;
  Status status = rendezvous(place, {0, 3, "program", /*seconds=*/60, /*absence=*/0.1}, meeting);
  visit.join();
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message, "rank 1, at 127.0.0.1, has ended before all ranks had met");
}

TEST(Rendezvous, aRankMayComeAgain) {
  RendezvousPoint place = addressPlace();
  std::vector<Member> members = world(3);
  std::vector<Outcome> outcomes(3);
  std::thread zero([&] { outcomes[0].status = rendezvous(place, members[0], outcomes[0].meeting); });
  visitAndEnd(place);
  std::thread one([&] { outcomes[1].status = rendezvous(place, members[1], outcomes[1].meeting); });
  outcomes[2].status = rendezvous(place, members[2], outcomes[2].meeting);
  one.join();
  zero.join();
  expectMet(outcomes);
}

/// A second job's rank 0 has put its file there meanwhile.
TEST(Rendezvous, theFileOfAnotherJobIsLeft) {
  Folder folder;
  RendezvousPoint place = filePlace(folder / "place");
  std::thread replacing([&] {
    while (!std::filesystem::exists(folder / "place"))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    folder.write("place", "colo 127.0.0.1 1 another\n");
  });
  PeerTable meeting;
  EXPECT_TRUE(rendezvous(place, {0, 2, "program", 0.5}, meeting).failed());
  replacing.join();
  EXPECT_TRUE(std::filesystem::exists(folder / "place"));
}

/// The second replaces the first's file, which the first then leaves alone.
TEST(Rendezvous, jobsAtOneFileAreNotMixed) {
  Folder folder;
  RendezvousPoint mine = filePlace(folder / "place"), theirs = mine;
  mine.job = "mine";
  theirs.job = "theirs";
  std::vector<Outcome> outcomes(4);
  auto start = [&](size_t i, const RendezvousPoint &place, int rank, double seconds) {
    return std::thread([&outcomes, &place, i, rank, seconds] {
      outcomes[i].status = rendezvous(place, {rank, 2, "program", seconds}, outcomes[i].meeting);
    });
  };
  auto fileOtherThan = [&](const std::string &before) {
    for (int i = 0; i < 5000; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(1)))
      if (std::filesystem::exists(folder / "place") && folder.read("place") != before)
        return folder.read("place");
    return std::string();
  };
  std::thread mineZero = start(0, mine, 0, 1);
  std::string first = fileOtherThan("");
  std::thread theirsZero = start(1, theirs, 0, 20);
  EXPECT_NE(fileOtherThan(first), "");
  start(2, mine, 1, 1).join();
  mineZero.join();
  start(3, theirs, 1, 20).join();
  theirsZero.join();
  EXPECT_TRUE(outcomes[0].status.failed());
  EXPECT_NE(outcomes[2].status.message.find("rank 0 there is of another job"), std::string::npos);
  for (size_t i : {1, 3})
    EXPECT_FALSE(outcomes[i].status.failed()) << outcomes[i].status.message;
}

TEST(Rendezvous, strangersDoNotDisturb) {
  RendezvousPoint place = addressPlace();
  std::vector<Socket> strangers;
  std::thread knocking([&] {
    std::string why;
    NetworkAddress address = resolve("127.0.0.1", place.port, why)[0];
    for (const char *said : {"", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "short"}) {
      Socket stranger;
      for (int i = 0; i < 1000 && !stranger; ++i) {
        stranger = connectTo(address, NetworkClock::now() + std::chrono::seconds(1), why);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      sendAll(stranger, said, strlen(said), NetworkClock::now() + std::chrono::seconds(1), why);
      strangers.push_back(std::move(stranger));
    }
  });
  std::vector<Member> members = world(2);
  std::vector<Outcome> outcomes(2);
  std::thread zero([&] { outcomes[0].status = rendezvous(place, members[0], outcomes[0].meeting); });
  knocking.join();
  outcomes[1].status = rendezvous(place, members[1], outcomes[1].meeting);
  zero.join();
  strangers.clear();
  EXPECT_FALSE(outcomes[0].status.failed()) << outcomes[0].status.message;
  EXPECT_FALSE(outcomes[1].status.failed()) << outcomes[1].status.message;
}

/// Sets variables, and takes them away again.
struct Variables {
  explicit Variables(const std::map<std::string, std::string> &values) {
    clear();
    for (auto &[name, value] : values)
      setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() { clear(); }
  static void clear() {
    for (const char *name : {"MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RUN_ID",
                             "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID"})
      unsetenv(name);
  }
};

/// And not of the loopback, where ranks of other hosts do not come.
TEST(Rendezvous, theFileIsOfTheInterfaceThatWasAskedFor) {
  Folder folder;
  setenv("NCCL_SOCKET_IFNAME", "=none", 1);
  PeerTable meeting;
  Status status = rendezvous(filePlace(folder / "place"), {0, 2, "program", 5}, meeting);
  unsetenv("NCCL_SOCKET_IFNAME");
  EXPECT_EQ(status.code, ExitUsage);
  EXPECT_EQ(status.message, "NCCL_SOCKET_IFNAME==none: no interface of that name is up and has an IPv4 address");
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
}

std::string placeText(const std::string &flag, const std::map<std::string, std::string> &values = {}) {
  Variables variables(values);
  RendezvousPoint place;
  Status status = findRendezvousPoint(flag, place);
  return status.failed() ? status.message : place.text();
}

TEST(RendezvousPoint, isWhatTheFlagOrTheEnvironmentSays) {
  EXPECT_EQ(placeText("file:///no/where"), "file /no/where");
  EXPECT_EQ(placeText("tcp://host:80"), "host:80");
  EXPECT_EQ(placeText("tcp://[::1]:80"), "[::1]:80");
  EXPECT_EQ(placeText("", {{"MASTER_ADDR", "host"}, {"MASTER_PORT", "100"}}), "host:100 to 115");
  EXPECT_EQ(placeText("", {{"MASTER_ADDR", "host"}, {"MASTER_PORT", "65530"}}), "host:65530 to 65535");
  EXPECT_EQ(placeText("", {{"MASTER_ADDR", "host"}, {"MASTER_PORT", "100"}, {"TORCHELASTIC_USE_AGENT_STORE", "True"}}),
            "host:101 to 116");
  EXPECT_EQ(placeText("tcp://a:1", {{"MASTER_ADDR", "host"}, {"MASTER_PORT", "100"}}), "a:1");
}

/// Hosts count for themselves how often they have started their ranks.
TEST(RendezvousPoint, isOfARunHoweverOftenItsRanksWereStarted) {
  std::string jobs[2];
  for (int i : {0, 1}) {
    Variables variables({{"TORCHELASTIC_RUN_ID", "run"}, {"TORCHELASTIC_RESTART_COUNT", std::to_string(i)}});
    RendezvousPoint place;
    EXPECT_FALSE(findRendezvousPoint("tcp://a:1", place).failed());
    jobs[i] = place.job;
  }
  EXPECT_EQ(jobs[0], jobs[1]);
  EXPECT_FALSE(jobs[0].empty());
}

TEST(RendezvousPoint, isNoFileOfSomethingElse) {
  Folder folder;
  folder.write("data", "Call me Ishmael.");
  folder.write("empty", "");
  folder.write("left", "colo 127.0.0.1 1 secret\n");
  std::string url = "file://" + std::string(folder / "");
  EXPECT_EQ(placeText(url + "data"), "--rendezvous=" + url +
                                         "data: the file is something else, and would be removed; give a name that is "
                                         "free");
  EXPECT_EQ(placeText(url), "--rendezvous=" + url + ": that is there, and no file");
  EXPECT_EQ(placeText(url + "empty"), "file " + std::string(folder / "empty"));
  EXPECT_EQ(placeText(url + "left"), "file " + std::string(folder / "left"));
}

TEST(RendezvousPoint, thatIsNoneIsAnErrorWithWhatIsExpected) {
  for (const char *flag : {"x", "file://", "file:///", "file://x/y", "tcp://", "tcp://host", "http://host:80"})
    EXPECT_EQ(placeText(flag), std::string("--rendezvous=") + flag + ": expected tcp://HOST:PORT or file:///PATH");
  for (const char *flag : {"tcp://:80", "tcp://[]:80"})
    EXPECT_EQ(placeText(flag), "--rendezvous=" + std::string(flag) + " has no host");
  EXPECT_EQ(placeText("tcp://a:0"), "--rendezvous=tcp://a:0: the port '0' is not a number from 1 to 65535");
  EXPECT_EQ(placeText("tcp://a:65536"), "--rendezvous=tcp://a:65536: the port '65536' is not a number from 1 to 65535");
  EXPECT_EQ(placeText("", {{"MASTER_ADDR", "host"}, {"MASTER_PORT", "x"}}),
            "MASTER_PORT=x: the port 'x' is not a number from 1 to 65535");
  EXPECT_EQ(placeText("", {{"MASTER_ADDR", "host"}}).rfind("processes without MPI need a place to meet", 0), 0U);
}

} // namespace
