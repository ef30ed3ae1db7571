//===- CommPlugin.h - providers in shared objects ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A provider that needs a library of its own (MPI) is a shared object found next
// to the executable. An executable exports nothing, so the plug-in gets what it
// needs of the runtime as a table, and gives a provider.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_COMMPLUGIN_H
#define COLO_RUNTIME_COMMPLUGIN_H

#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Status.h"

namespace colo::runtime {

/// What a plug-in may call. Raised when a member is added.
constexpr int commPluginVersion = 1;

struct CommHost {
  bool (*isSynchronous)(cudaStream_t stream);
  /// Runs run(copy of payload) in the stream's order; at most 128 bytes.
  void (*submit)(cudaStream_t stream, void (*run)(void *), const void *payload, size_t bytes);
  const char *(*site)();
  void (*failed)(ncclResult_t result, const char *message);
  double (*timeout)();
};

/// What the runtime of this process gives its providers, in plug-ins or not.
const CommHost &commHost();

/// Exported as colo_comm_open. Returns null and a message if the library does
/// not start or does not see `ranks` ranks with this process as `rank`.
using CommPluginOpen = const CommProvider *(*)(int version, const CommHost *host, int rank, int ranks, char *message,
                                               size_t messageBytes);

/// Loads lib`name`.so from the executable's folder, its ../lib, or the folder
/// that the runtime was built into, and opens it.
Status loadCommPlugin(const char *name, int rank, int ranks, const CommProvider *&provider);

} // namespace colo::runtime

#endif // COLO_RUNTIME_COMMPLUGIN_H
