// RUN: colo-opt %s --emulate-gpu | FileCheck %s

// CHECK-NOT: gpu.module

func.func private @plain(memref<256xf32>) attributes {rt.kernel, rt.extent = 2 : i64, rt.grain = 8 : i64}
func.func private @waits(memref<256xf32>, f32) attributes {rt.kernel, rt.extent = 2 : i64, rt.grain = 8 : i64}

gpu.module @colo_kernels {
  gpu.func @plain(%x: memref<256xf32> {llvm.align = 16 : i64, llvm.noalias}) kernel
      attributes {known_block_size = array<i32: 128, 1, 1>} {
    %t = gpu.thread_id x
    %v = memref.load %x[%t] : memref<256xf32>
    %n = arith.negf %v : f32
    memref.store %n, %x[%t] : memref<256xf32>
    gpu.return
  }
  gpu.func @waits(%x: memref<256xf32> {llvm.noalias}, %scale: f32)
      workgroup(%shared: memref<512xi8, #gpu.address_space<workgroup>>) kernel
      attributes {known_block_size = array<i32: 128, 1, 1>} {
    %c0 = arith.constant 0 : index
    %one = arith.constant 1 : i32
    %warp = arith.constant 32 : i32
    %t = gpu.thread_id x
    %b = gpu.block_id x
    %view = memref.view %shared[%c0][] : memref<512xi8, #gpu.address_space<workgroup>>
      to memref<128xf32, #gpu.address_space<workgroup>>
    %v = memref.load %x[%t] : memref<256xf32>
    %other, %valid = gpu.shuffle xor %v, %one, %warp : f32
    memref.store %other, %view[%t] : memref<128xf32, #gpu.address_space<workgroup>>
    %address = memref.extract_aligned_pointer_as_index %shared : memref<512xi8, #gpu.address_space<workgroup>> -> index
    %integer = arith.index_castui %address : index to i64
    %pointer = llvm.inttoptr %integer : i64 to !llvm.ptr<3>
    %matrices = nvvm.ldmatrix %pointer {num = 4 : i32, layout = #nvvm.mma_layout<col>} : (!llvm.ptr<3>) -> !llvm.struct<(i32, i32, i32, i32)>
    %word = llvm.extractvalue %matrices[3] : !llvm.struct<(i32, i32, i32, i32)>
    %sums = llvm.call_intrinsic "llvm.nvvm.mma.m16n8k16.row.col.bf16"(%word, %word, %word, %word, %word, %word, %scale, %scale, %scale, %scale)
      : (i32, i32, i32, i32, i32, i32, f32, f32, f32, f32) -> !llvm.struct<(f32, f32, f32, f32)>
    %sum = llvm.extractvalue %sums[1] : !llvm.struct<(f32, f32, f32, f32)>
    memref.store %sum, %view[%t] : memref<128xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    %first = memref.load %view[%c0] : memref<128xf32, #gpu.address_space<workgroup>>
    memref.store %first, %x[%b] : memref<256xf32>
    gpu.return
  }
}

// Threads that do not wait run one after the other.

// CHECK-LABEL: func.func private @plain(
// CHECK-SAME:    %[[X:.*]]: memref<256xf32> {llvm.align = 16 : i64, llvm.noalias}, %[[BEGIN:.*]]: index, %[[END:.*]]: index)
// CHECK-SAME:    rt.extent = 2 : i64, rt.grain = 8 : i64, rt.kernel
// CHECK:         scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK:           scf.for %[[THREAD:.*]] = %c0 to %c128
// CHECK:             memref.load %[[X]][%[[THREAD]]]

// Others are the function of one thread, which the runtime runs.

// CHECK-LABEL: func.func private @waits.thread(
// CHECK-SAME:    %[[Y:.*]]: memref<256xf32> {llvm.noalias}, %{{.*}}: f32, %[[SHARED:.*]]: memref<512xi8>, %[[BLOCK:.*]]: index, %[[T:.*]]: index)
// CHECK:         %[[VIEW:.*]] = memref.view %[[SHARED]][%{{.*}}][] : memref<512xi8> to memref<128xf32>
// CHECK:         %[[VALUE:.*]] = memref.load %[[Y]][%[[T]]]
// CHECK:         %[[BITS:.*]] = arith.bitcast %[[VALUE]] : f32 to i32
// CHECK:         %[[WIDE:.*]] = arith.extui %[[BITS]] : i32 to i64
// CHECK:         call @colo_emulate_shuffle(%[[WIDE]], %{{.*}}) : (i64, i32) -> i64
// CHECK:         call @colo_emulate_load_matrices(%[[WORDS:.*]], %{{.*}}, %c1_i64{{.*}}, %c1_i32{{.*}}) : (memref<10xi32>, i64, i64, i32) -> ()
// CHECK:         memref.load %[[WORDS]][%c3{{.*}}]
// CHECK-COUNT-10: memref.store %{{.*}}, %[[WORDS]]
// CHECK:         call @colo_emulate_multiply(%[[WORDS]], %c2_i64{{.*}}, %c1_i32{{.*}}) : (memref<10xi32>, i64, i32) -> ()
// CHECK:         memref.load %[[WORDS]][%c7{{.*}}]
// CHECK:         call @colo_emulate_barrier(%c3_i64)
// CHECK:         memref.store %{{.*}}, %[[Y]][%[[BLOCK]]]
// CHECK:       llvm.func @waits.thread.entry(!llvm.ptr, i64, i64)
// CHECK:       llvm.mlir.global internal constant @waits.name("waits\00")
// CHECK-LABEL: llvm.func @waits.entry(%arg0: !llvm.ptr, %arg1: i64, %arg2: i64)
// CHECK:         %[[THREADS:.*]] = llvm.mlir.constant(128 : i64)
// CHECK:         llvm.call @colo_emulate(%{{.*}}, %arg0, %{{.*}}, %{{.*}}, %arg1, %arg2, %[[THREADS]], %{{.*}})
