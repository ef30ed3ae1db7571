//===- Main.cpp - main of every executable -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An object of its own in the archive, so that a test can link the runtime and
// bring its own main.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Program.h"

int main(int argc, char **argv) { return colo_main(argc, argv, &colo_program); }
