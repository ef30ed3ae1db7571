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

// -----

gpu.module @colo_kernels {
  gpu.func @one_matrix(%x: memref<32xi32>, %row: i64) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    %t = gpu.thread_id x
    %pointer = llvm.inttoptr %row : i64 to !llvm.ptr<3>
    // expected-error@+1 {{only loads of four matrices from an integer's address are emulated}}
    %word = nvvm.ldmatrix %pointer {num = 1 : i32, layout = #nvvm.mma_layout<row>} : (!llvm.ptr<3>) -> i32
    memref.store %word, %x[%t] : memref<32xi32>
    gpu.return
  }
}

// -----

gpu.module @colo_kernels {
  gpu.func @eight_terms(%a: i32, %c: f32) kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
    // expected-error@+1 {{of the intrinsics only products m16n8k16 of bf16 or f16 with f32 sums are emulated}}
    %d = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k8.row.col.bf16"(%a, %a, %a, %c, %c, %c, %c)
      : (i32, i32, i32, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
    gpu.return
  }
}
