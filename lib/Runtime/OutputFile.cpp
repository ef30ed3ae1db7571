//===- OutputFile.cpp - files that a run writes ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See OutputFile.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/OutputFile.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace colo::runtime {

namespace {
/// The files of this process that are not complete.
struct Temporaries {
  std::mutex mutex;
  std::set<std::string> paths;
};
} // namespace

static Temporaries &temporaries() {
  static auto *all = new Temporaries; // a process may fail while it ends
  return *all;
}

void OutputFile::abandonAll() {
  std::lock_guard<std::mutex> lock(temporaries().mutex);
  for (const std::string &path : temporaries().paths)
    unlink(path.c_str());
}

static std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Status OutputFile::problem(const std::string &path, int error) {
  return Status::user("cannot write %s: %s", path.c_str(), std::strerror(error));
}

Status OutputFile::problem() const { return problem(path, errno); }

OutputFile::~OutputFile() {
  if (file < 0)
    return;
  close(file);
  if (temporary.empty())
    return;
  std::lock_guard<std::mutex> lock(temporaries().mutex);
  unlink(temporary.c_str());
  temporaries().paths.erase(temporary);
}

Status flushOutput() {
  const char *name = "standard output";
  if (fflush(stdout) != 0)
    return OutputFile::problem(name, errno);
  return ferror(stdout) ? OutputFile::problem(name, EIO) : Status::ok();
}

void keepStandardStreamsApart() {
  // The lowest free number is taken, and what is opened to be read cannot be written.
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0)
      (void)!::open("/dev/null", O_RDONLY);
}

/// Finds the target and whether it is replaced or written through.
Status OutputFile::resolve() {
  if (path == "-") {
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    return flags < 0 || (flags & O_ACCMODE) == O_RDONLY ? problem(path, EBADF) : Status::ok();
  }
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT)
      return problem();
    if (lstat(path.c_str(), &info) == 0)
      return Status::user("cannot write %s: it is a link to a file that does not exist", path.c_str());
    target = temporary = path;
    return Status::ok();
  }
  if (S_ISDIR(info.st_mode))
    return problem(path, EISDIR);
  if (access(path.c_str(), W_OK) != 0)
    return problem();
  if (!S_ISREG(info.st_mode)) {
    target = path;
    return Status::ok();
  }
  char *real = realpath(path.c_str(), nullptr);
  if (!real)
    return problem();
  target = temporary = real;
  free(real);
  mode = static_cast<int>(info.st_mode & 07777);
  return Status::ok();
}

Status OutputFile::open() {
  if (Status status = resolve(); status.failed())
    return status;
  if (path == "-") {
    fflush(stdout);
    file = dup(STDOUT_FILENO);
    return file < 0 ? problem() : Status::ok();
  }
  if (temporary.empty()) {
    file = ::open(target.c_str(), O_WRONLY | O_CLOEXEC);
    return file < 0 ? problem() : Status::ok();
  }
  // A name of its own: what is there is somebody's.
  std::lock_guard<std::mutex> lock(temporaries().mutex);
  for (int attempt = 0; file < 0; ++attempt) {
    temporary = target + formatString(".%d-%d.tmp", static_cast<int>(getpid()), attempt);
    file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file < 0 && errno != EEXIST)
      return problem();
  }
  temporaries().paths.insert(temporary);
  actBeforeFailure(abandonAll);
  return mode >= 0 && fchmod(file, mode) != 0 ? problem() : Status::ok();
}

Status OutputFile::check(const std::string &path) {
  OutputFile output(path);
  if (Status status = output.resolve(); status.failed())
    return status;
  // To open a pipe and close it would be the end of it for its reader.
  return output.temporary.empty() ? Status::ok() : output.open();
}

Status OutputFile::writeText(const std::string &path, const std::string &text) {
  OutputFile file(path);
  if (Status status = file.open(); status.failed())
    return status;
  if (Status status = file.write(text.data(), text.size()); status.failed())
    return status;
  return file.commit();
}

Status OutputFile::write(const void *data, size_t bytes) {
  const char *at = static_cast<const char *>(data);
  while (bytes) {
    ssize_t written = ::write(file, at, bytes);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return problem();
    at += written;
    bytes -= written;
  }
  return Status::ok();
}

Status OutputFile::commit() {
  if (temporary.empty()) {
    int failed = close(file);
    file = -1;
    return failed ? problem() : Status::ok();
  }
  if (fsync(file) != 0)
    return problem();
  {
    std::lock_guard<std::mutex> lock(temporaries().mutex);
    if (rename(temporary.c_str(), target.c_str()) != 0)
      return problem();
    temporaries().paths.erase(temporary);
  }
  close(file);
  file = -1;
  int directory = ::open(folderOf(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    fsync(directory);
    close(directory);
  }
  return Status::ok();
}

} // namespace colo::runtime
