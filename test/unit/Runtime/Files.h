//===- Files.h - files of a test ---------------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A folder that is removed at the end of the test, and writers.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_FILES_H
#define COLO_TEST_UNIT_RUNTIME_FILES_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace colo::runtime::testing {

class Folder {
public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "colo-runtime-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string &name) const { return path + "/" + name; }

  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(*this / name, std::ios::binary) << bytes;
    return *this / name;
  }
  std::string read(const std::string &name) const {
    std::ostringstream text;
    text << std::ifstream(*this / name, std::ios::binary).rdbuf();
    return text.str();
  }

private:
  std::string path;
};

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_FILES_H
