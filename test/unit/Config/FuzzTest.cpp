//===- FuzzTest.cpp - configs broken at random ----------------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Valid configs with random bytes and pieces changed, removed, doubled and moved:
// each is either resolved, or refused with errors that stand inside the file.
//
//===----------------------------------------------------------------------===//

#include "Load.h"
#include "gtest/gtest.h"
#include <random>

using namespace colo::test;
using llvm::StringRef;

namespace {

const char *const corpus[] = {
    R"(#!/usr/bin/env python
import math
from colossalai.amp import AMP_TYPE
from torch.optim import AdamW
IMG_SIZE, PATCH_SIZE = 224, 16
SEQ_LENGTH = (IMG_SIZE // PATCH_SIZE)**2 + 1
BATCH_SIZE = 2 ** 4
NUM_MICRO_BATCHES = 4
parallel = dict(
    pipeline=dict(size=2, schedule='1f1b'),
    tensor=dict(size=8, mode='2.5d', depth=2),
)
CONFIG = f"run_{SEQ_LENGTH:05d}_{parallel['tensor']['mode']!r}_{1e-4}"
optimizer = dict(type=AdamW, lr=3e-4, betas=(0.9, 0.95), decay_exempt=['*.bias', "ln_*"])
lr_scheduler = dict(type='cosine', warmup_steps=10, total_steps=100, min_lr=1e-5)
model = dict(name=CONFIG, hidden=int(math.sqrt(768 * 768)), drop=0.1, tied=True)
)",
    R"(parallel = {'data': 2, "tensor": {'size': 4, 'mode': '1d', **{'sequence_parallel': True}}}
x = [1, *(2, 3), -4 ** 2, not 5, ~6, 7 if 8 < 9 <= 10 else 11 or 12 and 13]
parallel['tensor']['size'] = len(x[1:4]) + 1
gradient_handler = [dict(type='DataParallelGradientHandler')]
clip_grad_norm, seed = 1.0, 0x2A
text = '''a "quoted" \x41 line
''' rf"raw {x[0]}\n" f'{x[0]:>{4}.1f}' * 2
y = x[-1] | 1 << 3 & 2 ^ 5; z = y % 3 // 1 >> 0; z += 1
d = dict(a=1).get('b', range(3)); e = (min(x), max(1, 2), sum([1, 2]), round(2.5), abs(-1), str(1), float('1e3'))
)",
};

/// Pieces that mean something to some stage.
const char *const pieces[] = {
    "(",       ")",     "[",    "]",       "{",    "}",    "'",      "\"",        "'''",         "f'{",  "}'",
    "\\",      "\n",    "\n  ", "\r",      "#",    ",",    ":",      "=",         "==",          "**",   "*",
    "//",      "<<",    "-",    "~",       "not ", "in ",  "is ",    "if ",       " else ",      "for ", "lambda ",
    "import ", "from ", "None", "0",       "1e9",  "1_0",  "0x",     "1e400",     "99999999999", "-1",   "True",
    "dict(",   "x",     "x.y",  "x[0]",    "int(", "str(", "range(", "math.sqrt", "\xC3\xA9",    "\xFF", ";",
    "...",     "@",     "!r}",  ":>9999}", "\t",   "size", "mode",   "'3d'"};

class Mutator {
public:
  explicit Mutator(unsigned seed) : random(seed) {}

  std::string mutate(std::string text) {
    for (size_t count = 1 + below(4); count; --count) {
      size_t at = below(text.size() + 1), length = std::min(below(12), text.size() - at);
      switch (below(5)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, pieces[below(std::size(pieces))]);
        break;
      case 2:
        text.insert(below(text.size() + 1), text.substr(at, length * 4));
        break;
      case 3:
        text.replace(at, length, pieces[below(std::size(pieces))]);
        break;
      default:
        if (at < text.size())
          text[at] = char(below(256));
        break;
      }
    }
    return text;
  }

private:
  size_t below(size_t bound) { return random() % bound; }
  std::mt19937 random;
};

/// Errors are there exactly if there is no config, and stand inside the text.
void check(const std::string &text) {
  Loaded loaded(text);
  EXPECT_EQ(loaded.config.has_value(), loaded.errors().empty()) << text;
  StringRef buffer = loaded.sources.getMemoryBuffer(1)->getBuffer();
  for (const llvm::SMDiagnostic &diagnostic : loaded.diagnostics) {
    const char *at = diagnostic.getLoc().getPointer();
    EXPECT_TRUE(at >= buffer.begin() && at <= buffer.end()) << text << diagnostic.getMessage().str();
  }
  if (loaded.config)
    EXPECT_FALSE(loaded.printed().empty());
}

TEST(Fuzz, TheCorpusIsValid) {
  for (const char *text : corpus)
    EXPECT_EQ(Loaded(text).errors(), "");
}

TEST(Fuzz, MutatedConfigsAreResolvedOrRefused) {
  for (unsigned seed = 0; seed < 6000 && !HasFailure(); ++seed)
    check(Mutator(seed).mutate(corpus[seed % std::size(corpus)]));
}

TEST(Fuzz, EveryPrefixIsResolvedOrRefused) {
  for (StringRef text : corpus)
    for (size_t length = 0; length <= text.size() && !HasFailure(); ++length)
      check(text.take_front(length).str());
}

} // namespace
