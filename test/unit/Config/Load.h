//===- Load.h - configs from strings, for tests ----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Loads a config held in a string and keeps what was said about it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_CONFIG_LOAD_H
#define COLO_TEST_UNIT_CONFIG_LOAD_H

#include "colo/Frontend/Config.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

namespace colo::test {

/// A config whose features all exist, so that every rule is reached.
inline SupportedFeatures everything() {
  return {[](llvm::StringRef) { return true; }};
}

struct Loaded {
  llvm::SourceMgr sources;
  std::vector<llvm::SMDiagnostic> diagnostics;
  std::optional<ParallelConfig> config;

  explicit Loaded(llvm::StringRef text, int64_t worldSize = 0, SupportedFeatures supported = everything()) {
    sources.setDiagHandler([](const llvm::SMDiagnostic &diagnostic,
                              void *self) { static_cast<Loaded *>(self)->diagnostics.push_back(diagnostic); },
                           this);
    unsigned id = sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "test.cfg"), llvm::SMLoc());
    config = loadConfig(sources, id, worldSize, std::move(supported));
  }
  Loaded(const Loaded &) = delete;

  /// The errors, one a line: "line:column: message".
  std::string errors() const {
    std::string text;
    for (const llvm::SMDiagnostic &diagnostic : diagnostics)
      if (diagnostic.getKind() == llvm::SourceMgr::DK_Error)
        text += std::to_string(diagnostic.getLineNo()) + ":" + std::to_string(diagnostic.getColumnNo() + 1) + ": " +
                diagnostic.getMessage().str() + "\n";
    return text;
  }
  std::string printed() const {
    std::string text;
    llvm::raw_string_ostream os(text);
    printConfig(*config, sources, os);
    return text;
  }
};

} // namespace colo::test

#endif // COLO_TEST_UNIT_CONFIG_LOAD_H
