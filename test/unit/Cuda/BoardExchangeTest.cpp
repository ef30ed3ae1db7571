//===- BoardExchangeTest.cpp - datagrams between hosts -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A socket of the test stands for rank 1, and sends what it likes.
//
//===----------------------------------------------------------------------===//

#include "CUDA/BoardExchange.h"
#include "Sockets/Network.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace colo::runtime::cuda;
using colo::runtime::listsInterface;

namespace {

constexpr int kComms = 3;
constexpr size_t kTokenAt = 8, kRankAt = 16, kCommAt = 28; ///< bytes of a datagram
constexpr size_t kQuestionBytes = 24, kAnswerBytes = kQuestionBytes + 4 * (5 + 4 * kComms);

struct BoardExchangeTest : testing::Test {
  BoardExchangeTest() {
    sockaddr_in bound{};
    bound.sin_family = AF_INET;
    bound.sin_addr.s_addr = exchange.address().host;
    socklen_t size = sizeof bound;
    file = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    EXPECT_EQ(bind(file, reinterpret_cast<sockaddr *>(&bound), size), 0);
    EXPECT_EQ(getsockname(file, reinterpret_cast<sockaddr *>(&bound), &size), 0);
    exchange.connect(/*token=*/1234567, {exchange.address(), {bound.sin_addr.s_addr, bound.sin_port}});
  }
  ~BoardExchangeTest() override { close(file); }

  /// The last datagram that has come; empty: none has.
  std::string receive() {
    char bytes[1024];
    std::string last;
    for (ssize_t length; (length = recv(file, bytes, sizeof bytes, 0)) >= 0;)
      last.assign(bytes, length);
    return last;
  }
  /// What comes back.
  std::string send(const std::string &datagram) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = exchange.address().host;
    to.sin_port = static_cast<in_port_t>(exchange.address().port);
    EXPECT_EQ(sendto(file, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof to),
              static_cast<ssize_t>(datagram.size()));
    exchange.serve(std::chrono::milliseconds(50));
    return receive();
  }
  /// One that asks how far rank 0 is.
  std::string question() {
    exchange.ask({1});
    std::string asked = receive();
    EXPECT_EQ(asked.size(), kQuestionBytes);
    return withRank(asked, 0);
  }
  static std::string withRank(std::string datagram, char rank) {
    datagram[kRankAt] = rank;
    return datagram;
  }
  static std::string changed(std::string datagram, size_t at) {
    datagram[at] ^= 64;
    return datagram;
  }

  Board board{"/colo-test-exchange-" + std::to_string(getpid()), 2, kComms};
  BoardExchange exchange{board, 0};
  int file = -1;
};

TEST_F(BoardExchangeTest, answersQuestionsOfItsRunAlone) {
  const std::string asked = question();
  EXPECT_EQ(send(asked).size(), kAnswerBytes);
  EXPECT_EQ(send(changed(asked, kTokenAt)), "") << "another token";
  EXPECT_EQ(send(changed(asked, kTokenAt + 7)), "") << "another token";
  EXPECT_EQ(send(changed(asked, 0)), "") << "another version";
  EXPECT_EQ(send(withRank(asked, 1)), "") << "another rank";
  EXPECT_EQ(send(withRank(asked, 2)), "") << "no such rank";
  EXPECT_EQ(send(asked.substr(0, asked.size() - 1)), "") << "too short";
  EXPECT_EQ(send(asked + '\0'), "") << "too long";
  EXPECT_EQ(send(""), "");
}

TEST_F(BoardExchangeTest, takesAnswersOfItsRunAlone) {
  board.comm(0, 2).lastSite = 17;
  board.rank(0).peer = -1;
  std::string answer = withRank(send(question()), 1);
  ASSERT_EQ(answer.size(), kAnswerBytes);
  for (const std::string &wrong : {changed(answer, kTokenAt), changed(answer, 0), withRank(answer, 2), answer + '\0',
                                   answer + "1234", answer.substr(0, answer.size() - 1), changed(answer, kCommAt)}) {
    send(wrong);
    EXPECT_FALSE(exchange.hasAnswered(1));
  }
  EXPECT_EQ(board.comm(1, 2).lastSite, 0);
  EXPECT_EQ(board.comm(0, 1).called, 0u) << "behind the rows of ranks";
  send(answer);
  EXPECT_TRUE(exchange.hasAnswered(1));
  EXPECT_EQ(board.comm(1, 2).lastSite, 17);
  EXPECT_EQ(board.rank(1).peer, -1);
}

TEST_F(BoardExchangeTest, aRankOfThisHostSpeaksForItself) {
  board.rank(1).process = getpid();
  send(withRank(send(question()), 1));
  EXPECT_FALSE(exchange.hasAnswered(1));
}

TEST(ListsInterface, asNcclDoes) {
  EXPECT_TRUE(listsInterface("eth", "eth0"));
  EXPECT_TRUE(listsInterface("ib,eth1", "eth1"));
  EXPECT_FALSE(listsInterface("ib,eth1", "eth0"));
  EXPECT_FALSE(listsInterface("=eth", "eth0"));
  EXPECT_TRUE(listsInterface("=ib,eth0", "eth0"));
  EXPECT_FALSE(listsInterface("^docker,lo", "docker0"));
  EXPECT_TRUE(listsInterface("^docker,lo", "eth0"));
  EXPECT_TRUE(listsInterface("^=eth", "eth0"));
  EXPECT_FALSE(listsInterface("^=eth0,lo", "eth0"));
}

} // namespace
