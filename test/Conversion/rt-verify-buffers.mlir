// RUN: colo-opt %s -rt-verify-buffers | FileCheck %s

// CHECK-LABEL: func.func @reuse_after_death
func.func @reuse_after_death(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<512xi8> to memref<64xf32>
  %c = rt.slot %ws at 0 {rt.value = array<i64: 2, 0, 256>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.all_reduce %a, %b over ["tp"] : memref<64xf32>, memref<64xf32>
  rt.all_reduce %b, %c over ["tp"] : memref<64xf32>, memref<64xf32>
  return
}

// Between start and wait others work; what is sent may be read.
// CHECK-LABEL: func.func @flight
func.func @flight(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  %d = rt.slot %ws at 0 {rt.value = array<i64: 3, 0, 256>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  rt.record {event = 3 : i64, stream = 2 : i64}
  rt.launch @k(%a) outs(%c) : (memref<64xf32>) -> () outs memref<64xf32>
  rt.wait {event = 3 : i64, stream = 0 : i64}
  rt.launch @k(%b) outs(%d) : (memref<64xf32>) -> () outs memref<64xf32>
  return
}

// Two places that change from round to round: one is read while the other is received. A temporary is born in each round.
// CHECK-LABEL: func.func @rounds
func.func @rounds(%ws: memref<1024xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c6 = arith.constant 6 : index
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %s = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  %t = rt.slot %ws at 768 {rt.value = array<i64: 3, 768, 1024>} : memref<1024xi8> to memref<64xf32>
  %u = rt.slot %ws at 768 {rt.value = array<i64: 4, 768, 1024>} : memref<1024xi8> to memref<64xf32>
  rt.fill %s : memref<64xf32>
  rt.fill %a : memref<64xf32>
  scf.for %i = %c0 to %c6 step %c1 {
    %n = arith.index_cast %i : index to i64
    %odd = arith.trunci %n : i64 to i1
    %now = arith.select %odd, %b, %a : memref<64xf32>
    %next = arith.select %odd, %a, %b : memref<64xf32>
    rt.record {event = 2 : i64, stream = 0 : i64}
    rt.wait {event = 2 : i64, stream = 2 : i64}
    rt.broadcast %s, %next over ["tp"] plus %i {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
    rt.record {event = 4 : i64, stream = 2 : i64}
    rt.launch @k(%now) outs(%t) : (memref<64xf32>) -> () outs memref<64xf32>
    rt.launch @k(%now) outs(%u) : (memref<64xf32>) -> () outs memref<64xf32>
    rt.wait {event = 4 : i64, stream = 0 : i64}
  }
  return
}

// Stream 2 waits for compute by way of stream 1.
// CHECK-LABEL: func.func @waits_by_way_of_another_stream
func.func @waits_by_way_of_another_stream(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 1 : i64}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 1 : i64} : memref<64xf32>, memref<64xf32>
  rt.record {event = 4 : i64, stream = 1 : i64}
  rt.wait {event = 4 : i64, stream = 2 : i64}
  rt.broadcast %a, %c over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  rt.broadcast %b, %c over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  rt.record {event = 5 : i64, stream = 2 : i64}
  rt.wait {event = 5 : i64, stream = 0 : i64}
  rt.fill %a : memref<64xf32>
  return
}
