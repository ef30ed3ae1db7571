//===- OutputFileTest.cpp - what is written, and what is left alone -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/OutputFile.h"
#include "Files.h"

#include <gtest/gtest.h>

using namespace colo::runtime;
namespace fs = std::filesystem;

namespace {
class OutputFiles : public ::testing::Test {
protected:
  std::string at(const std::string &name) const { return folder / name; }
  void put(const std::string &name, const std::string &text) const { folder.write(name, text); }
  std::string get(const std::string &name) const { return folder.read(name); }
  size_t count() const { return std::distance(fs::directory_iterator(at("")), fs::directory_iterator()); }

  static Status write(const std::string &path, const std::string &text) {
    OutputFile file(path);
    if (Status status = file.open(); status.failed())
      return status;
    if (Status status = file.write(text.data(), text.size()); status.failed())
      return status;
    return file.commit();
  }

private:
  colo::runtime::testing::Folder folder;
};
} // namespace

TEST_F(OutputFiles, AppearWhenComplete) {
  OutputFile file(at("model"));
  ASSERT_FALSE(file.open().failed());
  ASSERT_FALSE(file.write("text", 4).failed());
  EXPECT_FALSE(fs::exists(at("model")));
  ASSERT_FALSE(file.commit().failed());
  EXPECT_EQ(get("model"), "text");
  EXPECT_EQ(count(), 1u);
}

TEST_F(OutputFiles, AreLeftAsTheyWereWithoutCommit) {
  put("model", "old");
  {
    OutputFile file(at("model"));
    ASSERT_FALSE(file.open().failed());
    ASSERT_FALSE(file.write("new", 3).failed());
  }
  EXPECT_EQ(get("model"), "old");
  EXPECT_EQ(count(), 1u);
}

TEST_F(OutputFiles, NextToThemNothingIsTouched) {
  put("model.tmp", "mine");
  ASSERT_FALSE(write(at("model"), "text").failed());
  EXPECT_EQ(get("model.tmp"), "mine");
  EXPECT_EQ(count(), 2u);
}

TEST_F(OutputFiles, BehindLinksAreReplacedAndLinksStay) {
  fs::create_directory(at("store"));
  put("store/model", "old");
  fs::create_symlink("store/model", at("latest"));
  ASSERT_FALSE(write(at("latest"), "new").failed());
  EXPECT_TRUE(fs::is_symlink(at("latest")));
  EXPECT_EQ(get("store/model"), "new");
}

TEST_F(OutputFiles, KeepThePermissionsOfWhatTheyReplace) {
  put("model", "old");
  fs::permissions(at("model"), fs::perms::owner_read | fs::perms::owner_write);
  ASSERT_FALSE(write(at("model"), "new").failed());
  EXPECT_EQ(fs::status(at("model")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(OutputFiles, ThatAreDevicesAreWrittenThrough) {
  ASSERT_FALSE(write("/dev/null", "text").failed());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  Status full = write("/dev/full", "text");
  EXPECT_EQ(full.code, ExitUser);
  EXPECT_EQ(full.message, "cannot write /dev/full: No space left on device");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST_F(OutputFiles, ThatCannotBeWrittenAreToldBeforehand) {
  fs::create_symlink("nothing", at("dangling"));
  const std::pair<std::string, std::string> cases[] = {{at(""), "Is a directory"},
                                                       {at("missing/model"), "No such file or directory"},
                                                       {at("dangling"), "it is a link to a file that does not exist"},
                                                       {"/proc/model", "No such file or directory"}};
  for (const auto &[path, why] : cases) {
    Status status = OutputFile::check(path);
    EXPECT_EQ(status.code, ExitUser);
    EXPECT_EQ(status.message, "cannot write " + path + ": " + why);
  }
  EXPECT_EQ(count(), 1u);
}

TEST_F(OutputFiles, AreGoneWhenTheProcessFails) {
  auto fail = [&] {
    OutputFile file(at("model"));
    if (!file.open().failed() && count() == 1)
      failProcess(Status::usage("as it should"));
  };
  EXPECT_EXIT(fail(), ::testing::ExitedWithCode(ExitUsage), "as it should");
  EXPECT_EQ(count(), 0u);
}

TEST_F(OutputFiles, LeaveNothingBehindWhenTheyAreChecked) {
  put("model", "old");
  EXPECT_FALSE(OutputFile::check(at("model")).failed());
  EXPECT_FALSE(OutputFile::check(at("new")).failed());
  EXPECT_EQ(get("model"), "old");
  EXPECT_EQ(count(), 1u);
}
