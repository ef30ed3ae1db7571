//===- OutputFile.h - files that a run writes --------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A regular file is written beside its place under a name that nothing has, and
// takes its place when it is complete, so that no reader sees half of it. Links
// are followed: what they lead to is replaced, never the link. Devices and pipes
// are written through, and so is standard output, "-". A path that cannot be written is the environment's fault.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_OUTPUTFILE_H
#define COLO_RUNTIME_OUTPUTFILE_H

#include "colo/Runtime/Status.h"

#include <cstddef>
#include <string>

namespace colo::runtime {

class OutputFile {
public:
  explicit OutputFile(std::string path) : path(std::move(path)) {}
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;

  /// Finds out now what would go wrong later, and leaves nothing behind.
  static Status check(const std::string &path);
  /// Opens, writes and commits.
  static Status writeText(const std::string &path, const std::string &text);
  /// "cannot write PATH: " and what errno says.
  static Status problem(const std::string &path, int error);

  Status open();
  Status write(const void *data, size_t bytes);
  /// Everything is on the disk, and in its place. Without it nothing has changed.
  Status commit();

private:
  Status resolve();
  /// Removes what is not complete, where the process ends with no regard to its owners.
  static void abandonAll();
  Status problem() const;
  std::string path;
  std::string target;    ///< where the path's links lead
  std::string temporary; ///< empty where the target is written through
  int mode = -1;         ///< permissions of the file that is replaced, if there is one
  int file = -1;
};

/// Writes out what has been printed to standard output; fails if any of it is lost.
Status flushOutput();

/// Before any file is opened: one that takes the number of a closed standard output would get what is printed. What is
/// printed then is lost, and flushOutput says so.
void keepStandardStreamsApart();

} // namespace colo::runtime

#endif // COLO_RUNTIME_OUTPUTFILE_H
