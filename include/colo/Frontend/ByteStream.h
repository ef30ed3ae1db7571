//===- ByteStream.h - ANTLR's view of a source buffer ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An ANTLR character stream over the bytes of a range of a source buffer:
// nothing is copied or decoded, so a token's start and stop index are byte
// offsets into the range and give an SMLoc directly. Grammars see the bytes of
// UTF-8 as the characters U+0080 to U+00FF. Include it only where exceptions
// are on.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_FRONTEND_BYTESTREAM_H
#define COLO_FRONTEND_BYTESTREAM_H

#include "antlr4-runtime.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"

namespace colo {

class ByteStream : public antlr4::CharStream {
public:
  /// `text` lies in a buffer of a SourceMgr and outlives the stream.
  explicit ByteStream(llvm::StringRef text) : text(text) {}

  void consume() override { ++position; }
  size_t LA(ssize_t offset) override {
    ssize_t at = ssize_t(position) + (offset > 0 ? offset - 1 : offset);
    return at < 0 || at >= ssize_t(text.size()) ? size_t(antlr4::IntStream::EOF) : uint8_t(text[at]);
  }
  ssize_t mark() override { return -1; }
  void release(ssize_t) override {}
  size_t index() override { return position; }
  void seek(size_t index) override { position = index; }
  size_t size() override { return text.size(); }
  std::string getSourceName() const override { return "input"; }
  std::string getText(const antlr4::misc::Interval &interval) override {
    return interval.a < 0 ? std::string() : text.substr(interval.a, interval.b - interval.a + 1).str();
  }
  std::string toString() const override { return text.str(); }

  /// Where a token starts, and just past its end. The end-of-file token is
  /// empty and at the end of the text.
  llvm::SMLoc start(const antlr4::Token *token) const { return at(token->getStartIndex()); }
  llvm::SMLoc end(const antlr4::Token *token) const {
    return token->getType() == antlr4::Token::EOF ? start(token) : at(token->getStopIndex() + 1);
  }
  llvm::StringRef spelling(const antlr4::Token *token) const {
    return llvm::StringRef(start(token).getPointer(), end(token).getPointer() - start(token).getPointer());
  }

private:
  llvm::SMLoc at(size_t offset) const {
    return llvm::SMLoc::getFromPointer(text.data() + std::min(offset, text.size()));
  }

  llvm::StringRef text;
  size_t position = 0;
};

} // namespace colo

#endif // COLO_FRONTEND_BYTESTREAM_H
