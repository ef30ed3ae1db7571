// RUN: colo-opt %s --emulate-gpu -split-input-file -verify-diagnostics

gpu.module @colo_kernels {
  gpu.func @up(%x: memref<32xf32>) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %t = gpu.thread_id x
    %one = arith.constant 1 : i32
    %warp = arith.constant 32 : i32
    %v = memref.load %x[%t] : memref<32xf32>
    // expected-error@+1 {{only xor shuffles of a whole warp are emulated}}
    %other, %valid = gpu.shuffle up %v, %one, %warp : f32
    memref.store %other, %x[%t] : memref<32xf32>
    gpu.return
  }
}

// -----

gpu.module @colo_kernels {
  gpu.func @size(%x: memref<32xindex>) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    // expected-error@+1 {{is not emulated}}
    %n = gpu.grid_dim x
    memref.store %n, %x[%n] : memref<32xindex>
    gpu.return
  }
}
