// RUN: colo-opt %s -rt-verify-transfers | colo-opt | FileCheck %s

// Two receives are in flight beside actions that use other slots; slots are used again after their event.
// CHECK-LABEL: func.func @double_buffers
// CHECK: rt.wait plus
module {
  func.func private @use(%ws: memref<64xi8>, %layer: i64, %row: i64, %x: memref<16xf32>, %y: memref<16xf32>)
    attributes {pipe.reads = array<i64: 0>, pipe.writes = array<i64: 1>}
  func.func @double_buffers() {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %rows = arith.constant 12 : index
    %zero = arith.constant 0 : i64
    %buffer = rt.buffer "workspace" : memref<512xi8>
    %ws = rt.slot %buffer at 0 : memref<512xi8> to memref<64xi8>
    %out = rt.slot %buffer at 64 : memref<512xi8> to memref<16xf32>
    // Case, byte, event.
    %table = rt.table [0, 128, 0, 1, 128, 0, 0, 192, 1, 1, 192, 1, 2, 128, 0, 3, 256, 2, 2, 192, 1, 3, 320, 3, 0, 128, 0, 1, 128, 0, 3, 256, 2, 2, 128, 0] : memref<12x3xi64>
    scf.for %i = %c0 to %rows step %c1 {
      %a = memref.load %table[%i, %c0] : memref<12x3xi64>
      %b = memref.load %table[%i, %c1] : memref<12x3xi64>
      %c = memref.load %table[%i, %c2] : memref<12x3xi64>
      %case = arith.index_cast %a : i64 to index
      %byte = arith.index_cast %b : i64 to index
      %event = arith.index_cast %c : i64 to index
      %slot = rt.slot %buffer at 0 plus %byte : memref<512xi8> to memref<16xf32>
      scf.index_switch %case {rt.executions = array<i64: 1, 1, 1, 1>}
      case 0 { // receive
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
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
      case 3 { // writes, and sends
        rt.wait plus %event {event = 5 : i64, stream = 0 : i64, count = 4 : i64}
        func.call @use(%ws, %zero, %zero, %out, %slot) : (memref<64xi8>, i64, i64, memref<16xf32>, memref<16xf32>) -> ()
        rt.record {event = 4 : i64, stream = 0 : i64}
        rt.wait {event = 4 : i64, stream = 3 : i64}
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
