//===- CommPlugin.cpp - providers in shared objects --------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See CommPlugin.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/CommPlugin.h"
#include "colo/Runtime/Stream.h"

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace colo::runtime {

namespace {
struct Packed {
  void (*run)(void *);
  alignas(16) char payload[Stream::payloadBytes - 16];
};
} // namespace

static void runPacked(Packed *packed) { packed->run(packed->payload); }

static void submitPacked(cudaStream_t stream, void (*run)(void *), const void *payload, size_t bytes) {
  Packed packed;
  packed.run = run;
  std::memcpy(packed.payload, payload, std::min(bytes, sizeof packed.payload));
  reinterpret_cast<Stream *>(stream)->submit<runPacked>(packed);
}

static bool isSynchronous(cudaStream_t stream) {
  return !stream || reinterpret_cast<Stream *>(stream)->isSynchronous();
}

const CommHost &commHost() {
  static const CommHost host = {isSynchronous, submitPacked, callerSite, reportCommFailure, commTimeout};
  return host;
}

/// The folders to look in, in order.
static std::vector<std::string> pluginFolders() {
  std::vector<std::string> folders;
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length > 0) {
    std::string executable(path, length);
    std::string folder = executable.substr(0, executable.rfind('/'));
    folders = {folder, folder + "/../lib"};
  }
  folders.push_back(COLO_PLUGIN_FOLDER);
  return folders;
}

Status loadCommPlugin(const char *name, int rank, int ranks, const CommProvider *&provider) {
  std::string file = formatString("lib%s.so", name);
  for (const std::string &folder : pluginFolders()) {
    std::string path = formatString("%s/%s", folder.c_str(), file.c_str());
    if (access(path.c_str(), R_OK) != 0)
      continue;
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    auto open = library ? reinterpret_cast<CommPluginOpen>(dlsym(library, "colo_comm_open")) : nullptr;
    if (!open)
      return Status::usage("%s does not load: %s", path.c_str(), dlerror());
    char message[1024] = "";
    provider = open(commPluginVersion, &commHost(), rank, ranks, message, sizeof message);
    return provider ? Status::ok() : Status::usage("%s", message);
  }
  return Status::usage("%s is not beside the executable nor in its ../lib; --ranks=%d --comm=threads runs the ranks "
                       "as threads of one process",
                       file.c_str(), ranks);
}

} // namespace colo::runtime
