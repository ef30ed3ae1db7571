//===- SocketsComm.h - ranks as processes without MPI ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A provider for launchers that start processes and say no more than who is who,
// such as torchrun and srun: ranks meet (Rendezvous.h) and send each other messages
// over TCP (Links.h). On GPUs it carries NCCL's id and the runtime's own traffic.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_SOCKETS_SOCKETSCOMM_H
#define COLO_LIB_RUNTIME_SOCKETS_SOCKETSCOMM_H

#include "Sockets/Rendezvous.h"
#include "colo/Runtime/Comm.h"

namespace colo::runtime {

/// Meets the other ranks, once in a process. They are told when it returns from main; an end without that is an error
/// of theirs.
Status openSockets(const RendezvousPoint &place, const Member &member, const CommProvider *&provider);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_SOCKETS_SOCKETSCOMM_H
