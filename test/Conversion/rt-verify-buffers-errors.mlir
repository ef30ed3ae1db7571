// RUN: colo-opt %s -rt-verify-buffers -split-input-file -verify-diagnostics

func.func @use_after_reuse(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 128 {rt.value = array<i64: 1, 128, 384>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  // expected-note @below {{to a value that is first used here}}
  rt.fill %b : memref<64xf32>
  // expected-error @below {{uses value 0 after its memory was given away}}
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @overlap_in_one_op(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 128 {rt.value = array<i64: 1, 128, 384>} : memref<512xi8> to memref<64xf32>
  // expected-error @below {{uses values 0 and 1, which overlap in memory}}
  rt.all_reduce %a, %b over ["tp"] : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @misaligned(%ws: memref<512xi8>) {
  // expected-error @below {{value 0 starts at byte 32, no multiple of 64}}
  %a = rt.slot %ws at 32 {rt.value = array<i64: 0, 32, 288>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @outside(%ws: memref<512xi8>) {
  // expected-error @below {{lies outside its value 0}}
  %a = rt.slot %ws at 256 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @reads_what_arrives(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{uses value 1 while it is in flight}}
  rt.launch @k(%b) outs(%ws) : (memref<64xf32>) -> () outs memref<1024xi8>
  return
}

// -----

func.func @writes_what_is_sent(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{writes value 0 while it is in flight}}
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @gives_away_what_is_sent(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{puts value 2 into the memory of value 0, which is in flight}}
  rt.fill %c : memref<16xf32>
  return
}

// -----

func.func @event_before_the_start(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 3 : i64, stream = 2 : i64}
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  rt.wait {event = 3 : i64, stream = 0 : i64}
  // expected-error @below {{uses value 1 while it is in flight}}
  rt.fill %b : memref<64xf32>
  return
}

// -----

func.func @other_stream_waits(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  rt.record {event = 3 : i64, stream = 2 : i64}
  rt.wait {event = 3 : i64, stream = 1 : i64}
  // expected-error @below {{uses value 1 while it is in flight}}
  rt.fill %b : memref<64xf32>
  return
}

// -----

func.func @in_flight_at_the_end(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{is reached while a collective is in flight}}
  return
}

// -----

func.func @in_flight_across_a_call(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 128 {rt.value = array<i64: 2, 128, 192>} : memref<1024xi8> to memref<16xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{is reached while a collective is in flight}}
  func.call @f() : () -> ()
  return
}
func.func private @f()

// -----

func.func @in_flight_into_the_next_round(%ws: memref<1024xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c6 = arith.constant 6 : index
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  scf.for %i = %c0 to %c6 step %c1 {
    rt.record {event = 2 : i64, stream = 0 : i64}
    rt.wait {event = 2 : i64, stream = 2 : i64}
    // expected-note @below {{starts here}}
    rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
    rt.record {event = 4 : i64, stream = 2 : i64}
    // expected-error @below {{is reached while a collective is in flight}}
    scf.yield
  }
  return
}

// -----

// Only the second round shows it.
func.func @next_round_needs_what_a_temporary_took(%ws: memref<1024xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %t = rt.slot %ws at 0 {rt.value = array<i64: 2, 0, 256>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  scf.for %i = %c0 to %c2 step %c1 {
    // expected-error @below {{uses value 0 after its memory was given away}}
    rt.launch @k(%a) outs(%b) : (memref<64xf32>) -> () outs memref<64xf32>
    // expected-note @below {{first used here}}
    rt.launch @k(%b) outs(%t) : (memref<64xf32>) -> () outs memref<64xf32>
  }
  return
}

// -----

// The round that is odd reads what is on its way.
func.func @forgets_to_change_places(%ws: memref<1024xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %s = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  %t = rt.slot %ws at 768 {rt.value = array<i64: 3, 768, 1024>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.fill %s : memref<64xf32>
  scf.for %i = %c0 to %c2 step %c1 {
    %n = arith.index_cast %i : index to i64
    %odd = arith.trunci %n : i64 to i1
    %now = arith.select %odd, %b, %a : memref<64xf32>
    rt.record {event = 2 : i64, stream = 0 : i64}
    rt.wait {event = 2 : i64, stream = 2 : i64}
    // expected-note @below {{starts here}}
    rt.broadcast %s, %b over ["tp"] plus %i {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
    rt.record {event = 4 : i64, stream = 2 : i64}
    // expected-error @below {{uses value 1 while it is in flight}}
    rt.launch @k(%now) outs(%t) : (memref<64xf32>) -> () outs memref<64xf32>
    rt.wait {event = 4 : i64, stream = 0 : i64}
  }
  return
}

// -----

func.func @sends_what_compute_still_writes(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<512xi8> to memref<64xf32>
  // expected-note @below {{on the compute stream, here}}
  rt.fill %a : memref<64xf32>
  // expected-error @below {{uses value 0 on a stream that does not wait for what writes it}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @event_before_what_is_sent(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<512xi8> to memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  // expected-note @below {{on the compute stream, here}}
  rt.fill %a : memref<64xf32>
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-error @below {{uses value 0 on a stream that does not wait for what writes it}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @overwrites_what_compute_still_reads(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.fill %b : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{on the compute stream, here}}
  rt.launch @k(%b) outs(%c) : (memref<64xf32>) -> () outs memref<64xf32>
  // expected-error @below {{writes value 1 on a stream that does not wait for what reads it}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @receives_into_memory_that_compute_still_uses(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  %d = rt.slot %ws at 256 {rt.value = array<i64: 3, 256, 512>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.fill %b : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{on the compute stream, here}}
  rt.launch @k(%b) outs(%c) : (memref<64xf32>) -> () outs memref<64xf32>
  // expected-error @below {{puts value 3 into the memory of value 1 on a stream that does not wait for what uses that}}
  rt.broadcast %a, %d over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @sends_what_another_stream_brings(%ws: memref<1024xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 1 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  // expected-note @below {{starts here}}
  rt.broadcast %a, %b over ["tp"] {root = 0 : i64, stream = 1 : i64} : memref<64xf32>, memref<64xf32>
  // expected-error @below {{uses value 1 while it is in flight}}
  rt.broadcast %b, %c over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

// expected-note @below {{on the compute stream, here}}
func.func @sends_an_argument_before_the_caller_is_done(%ws: memref<512xi8>, %w: memref<64xf32>) {
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<512xi8> to memref<64xf32>
  // expected-error @below {{uses argument 1 on a stream that does not wait for what writes it}}
  rt.broadcast %w, %b over ["tp"] {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
  return
}

// -----

// The transfer of the second round overwrites what the first still reads.
func.func @next_round_overwrites(%ws: memref<1024xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<1024xi8> to memref<64xf32>
  %b = rt.slot %ws at 256 {rt.value = array<i64: 1, 256, 512>} : memref<1024xi8> to memref<64xf32>
  %c = rt.slot %ws at 512 {rt.value = array<i64: 2, 512, 768>} : memref<1024xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  rt.record {event = 2 : i64, stream = 0 : i64}
  rt.wait {event = 2 : i64, stream = 2 : i64}
  scf.for %i = %c0 to %c2 step %c1 {
    // expected-error @below {{writes value 1 on a stream that does not wait for what reads it}}
    rt.broadcast %a, %b over ["tp"] plus %i {root = 0 : i64, stream = 2 : i64} : memref<64xf32>, memref<64xf32>
    rt.record {event = 4 : i64, stream = 2 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    // expected-note @below {{on the compute stream, here}}
    rt.launch @k(%b) outs(%c) : (memref<64xf32>) -> () outs memref<64xf32>
  }
  return
}
