// RUN: colo-opt %s -rt-verify-transfers -split-input-file -verify-diagnostics

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @reads_before_the_wait() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 3 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [0, 128, 0, 1, 128, 0, 2, 128, 0] : memref<3x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<3x3xi64>
      %b = memref.load %table[%i, %c1] : memref<3x3xi64>
      %c = memref.load %table[%i, %c2] : memref<3x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1, 1, 1>}
      case 0 { // receive
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
        // expected-note @below {{in the transfer of row 0}}
        rt.receive %slot from 0 {stream = 3 : i64} : memref<16xf32>
        scf.yield
      }
      case 1 { // the receive has ended
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      case 2 { // reads
        // expected-error @below {{of row 2 reads bytes 128 to 192, which are in flight}}
        func.call @use(%ws, %zero, %zero, %slot, %out) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @waits_for_the_event_of_another_slot() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 5 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [0, 128, 0, 1, 128, 0, 0, 192, 1, 1, 192, 1, 2, 192, 0] : memref<5x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<5x3xi64>
      %b = memref.load %table[%i, %c1] : memref<5x3xi64>
      %c = memref.load %table[%i, %c2] : memref<5x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1, 1, 1>}
      case 0 { // receive
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
        // expected-note @below {{in the transfer of row 2}}
        rt.receive %slot from 0 {stream = 3 : i64} : memref<16xf32>
        scf.yield
      }
      case 1 { // the receive has ended
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      case 2 { // reads
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        // expected-error @below {{of row 4 reads bytes 192 to 256, which are in flight}}
        func.call @use(%ws, %zero, %zero, %slot, %out) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @writes_what_is_being_sent() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 2 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [3, 256, 0, 3, 256, 1] : memref<2x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<2x3xi64>
      %b = memref.load %table[%i, %c1] : memref<2x3xi64>
      %c = memref.load %table[%i, %c2] : memref<2x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1>}
      case 3 { // writes, and sends
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        // expected-error @below {{of row 1 writes bytes 256 to 320, which are in flight}}
        func.call @use(%ws, %zero, %zero, %out, %slot) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
        // expected-note @below {{in the transfer of row 0}}
        rt.send %slot to 2 {stream = 3 : i64} : memref<16xf32>
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @sends_before_it_is_made() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 1 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [3, 256, 0] : memref<1x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<1x3xi64>
      %b = memref.load %table[%i, %c1] : memref<1x3xi64>
      %c = memref.load %table[%i, %c2] : memref<1x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1>}
      case 3 { // writes, and sends
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        func.call @use(%ws, %zero, %zero, %out, %slot) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        // expected-error @below {{of row 0 starts before the action that uses bytes 256 to 320 has ended}}
        rt.send %slot to 2 {stream = 3 : i64} : memref<16xf32>
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @receives_into_what_is_being_read() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 4 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [0, 128, 0, 1, 128, 0, 2, 128, 0, 0, 128, 0] : memref<4x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<4x3xi64>
      %b = memref.load %table[%i, %c1] : memref<4x3xi64>
      %c = memref.load %table[%i, %c2] : memref<4x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1, 1, 1>}
      case 0 { // receive
        rt.record {event = 4 : i64, stream = 0 : i64}
        // expected-error @below {{of row 3 starts before the action that uses bytes 128 to 192 has ended}}
        rt.receive %slot from 0 {stream = 3 : i64} : memref<16xf32>
        scf.yield
      }
      case 1 { // the receive has ended
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      case 2 { // reads
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        func.call @use(%ws, %zero, %zero, %slot, %out) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @event_before_the_end_of_the_group() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 2 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [0, 128, 0, 2, 128, 0] : memref<2x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<2x3xi64>
      %b = memref.load %table[%i, %c1] : memref<2x3xi64>
      %c = memref.load %table[%i, %c2] : memref<2x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1, 1>}
      case 0 { // receive
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
        rt.group_start
        // expected-note @below {{in the transfer of row 0}}
        rt.receive %slot from 0 {stream = 3 : i64} : memref<16xf32>
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        rt.group_end
        scf.yield
      }
      case 2 { // reads
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        // expected-error @below {{of row 1 reads bytes 128 to 192, which are in flight}}
        func.call @use(%ws, %zero, %zero, %slot, %out) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    rt.wait {event = 4 : i64, stream = 0 : i64}
    return
  }
}

// -----

module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @in_flight_at_the_end() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 1 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [3, 256, 0] : memref<1x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<1x3xi64>
      %b = memref.load %table[%i, %c1] : memref<1x3xi64>
      %c = memref.load %table[%i, %c2] : memref<1x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1>}
      case 3 { // writes, and sends
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        func.call @use(%ws, %zero, %zero, %out, %slot) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
        // expected-error @below {{of row 0 is in flight behind the last row}}
        rt.send %slot to 2 {stream = 3 : i64} : memref<16xf32>
        rt.record plus %event {event = 5 : i64, stream = 3 : i64, count = 4 : i64}
        scf.yield
      }
      default {
      }
    }
    rt.record {event = 4 : i64, stream = 3 : i64}
    return
  }
}

// -----

module {
  func.func @case_from_elsewhere(%case: index) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    scf.for %i = %c0 to %c1 step %c1 {
      // expected-error @below {{does not choose by the table}}
      scf.index_switch %case {rt.executions = array<i64: 1>}
      case 0 {
        scf.yield
      }
      default {
      }
    }
    return
  }
}

// -----

module {
  func.func @place_from_elsewhere(%byte: index) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %buffer = rt.buffer "workspace" : memref<512xi8>
    scf.for %i = %c0 to %c1 step %c1 {
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %i {rt.executions = array<i64: 1>}
      case 0 {
        // expected-error @below {{names no place of the workspace that the table says}}
        rt.receive %slot from 0 {stream = 3 : i64} : memref<16xf32>
        scf.yield
      }
      default {
      }
    }
    return
  }
}
