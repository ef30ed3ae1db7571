// RUN: colo-opt %s --lower-gpu-kernels --canonicalize --cse | FileCheck %s

#rows = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>
#columns = affine_map<(d0, d1) -> (d1)>

// A launch says where its tensors start and how many bytes are loaded and stored; a launch of row loops hands the number of rows on,
// and has its part of the bytes: 3 of 4 blocks of what is read and written.

// CHECK-LABEL: func.func @host(
// CHECK:         %[[ROWS:.*]] = arith.constant 600 : index
// CHECK:         rt.launch @flat(%{{.*}}) outs(%{{.*}}) {rt.bytes = 65536 : i64}
// CHECK:         rt.launch @update(%{{.*}}, %[[ROWS]]) outs(%{{.*}}) {extent = 1 : i64, rt.bytes = 8192 : i64}
// CHECK:         rt.launch @odd_update(%{{.*}}) outs(%{{.*}}) {extent = 3 : i64, rt.bytes = 6144 : i64}
func.func @host(%start: index) {
  %w = rt.buffer "workspace" : memref<262144xi8>
  %p = rt.buffer "params" : memref<1024xf32>
  %x = rt.slot %w at 0 : memref<262144xi8> to memref<128x64xf32>
  %y = rt.slot %w at 65536 : memref<262144xi8> to memref<128x64xf32>
  %z = rt.slot %w at 131076 : memref<262144xi8> to memref<128x64xf32>
  rt.launch @flat(%x) outs(%y) : (memref<128x64xf32>) -> () outs memref<128x64xf32>
  rt.launch @flat(%x) outs(%z) : (memref<128x64xf32>) -> () outs memref<128x64xf32>
  %first = arith.constant 424 : index
  rt.launch @update(%first) outs(%p) {extent = 600 : i64} : (index) -> () outs memref<1024xf32>
  rt.launch @odd_update(%start) outs(%p) {extent = 601 : i64} : (index) -> () outs memref<1024xf32>
  return
}

// Launches find the kernel by its declaration, in blocks of threads.

// CHECK-LABEL: func.func private @normalise(memref<5120xf32>, memref<5120xf32>)
// CHECK-SAME:    rt.extent = 8 : i64
// CHECK-SAME:    rt.threads = 128 : i64

// A row is a block, whose threads may take 80 registers: each reads four neighbours at a time; a warp's sums meet by
// shuffles, those of the four warps by shared memory and, in each warp, shuffles again.

// CHECK-LABEL: gpu.func @normalise(
// CHECK-SAME:    %[[X:.*]]: memref<5120xf32> {llvm.noalias}, %[[Y:.*]]: memref<5120xf32> {llvm.noalias}
// CHECK-SAME:    workgroup({{.*}} : memref<32xi8, #gpu.address_space<workgroup>>
// CHECK-SAME:    known_block_size = array<i32: 128, 1, 1>
// CHECK-SAME:    nvvm.minctasm = 6 : i32
// CHECK:         %[[THREAD:.*]] = gpu.thread_id
// CHECK:         scf.for %{{.*}} = %[[THREAD]] to %c160 step %c128 iter_args
// CHECK-COUNT-4:   memref.load %[[X]]
// CHECK:         gpu.shuffle xor %{{.*}}, %c16_i32, %c32_i32
// CHECK-COUNT-4: gpu.shuffle xor
// CHECK-NOT:     gpu.shuffle
// CHECK:         gpu.barrier
// CHECK:         %[[PART:.*]] = arith.remui %[[THREAD]], %c4
// CHECK:         memref.load %{{.*}}[%[[PART]]] : memref<4xf32, #gpu.address_space<workgroup>>
// CHECK:         gpu.shuffle xor %{{.*}}, %c2_i32, %c32_i32
// CHECK:         gpu.shuffle xor %{{.*}}, %c1_i32, %c32_i32
// CHECK:         scf.for
// CHECK-COUNT-4:   memref.store %{{.*}}, %[[Y]]
// CHECK-NOT:     gpu.barrier
// CHECK:         gpu.return
func.func private @normalise(%x: tensor<8x640xf32>) -> tensor<8x640xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x640xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %o = tensor.empty() : tensor<8x640xf32>
  %r = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<8x640xf32>, tensor<8xf32>) outs(%o : tensor<8x640xf32>) {
  ^bb0(%in: f32, %sum: f32, %out: f32):
    %d = arith.divf %in, %sum : f32
    linalg.yield %d : f32
  } -> tensor<8x640xf32>
  return %r : tensor<8x640xf32>
}

// Rows that do not divide but start at a multiple, as their layout says: whole steps of four, then the one left, each by one thread.

// CHECK-LABEL: gpu.func @apart(
// CHECK-SAME:    %[[X:.*]]: memref<5117xf32> {llvm.noalias}, %[[Y:.*]]: memref<5117xf32> {llvm.noalias}
// CHECK:         %[[SUM:.*]] = scf.for %{{.*}} to %c159 step %c128 iter_args
// CHECK-COUNT-4:   memref.load %[[X]]
// CHECK-NOT:       memref.load
// CHECK:         scf.for %{{.*}} to %c1 step %c128 iter_args(%{{.*}} = %[[SUM]])
// CHECK:           arith.addi %{{.*}}, %c636
// CHECK:           memref.load %[[X]]
// CHECK-NOT:       memref.load
// CHECK:         gpu.shuffle
// CHECK:         scf.for %{{.*}} to %c159 step %c128 {
// CHECK-COUNT-4:   memref.store %{{.*}}, %[[Y]]
// CHECK-NOT:       memref.store
// CHECK:         scf.for %{{.*}} to %c1 step %c128 {
// CHECK:           memref.store %{{.*}}, %[[Y]]
// CHECK:         gpu.return
func.func private @apart(%x: tensor<8x637xf32>) -> tensor<8x637xf32> attributes {rt.kernel, rt.rows = 1 : i64,
    rt.layouts = [memref<8x637xf32, strided<[640, 1]>>, memref<8x637xf32, strided<[640, 1]>>]} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x637xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %o = tensor.empty() : tensor<8x637xf32>
  %r = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<8x637xf32>, tensor<8xf32>) outs(%o : tensor<8x637xf32>) {
  ^bb0(%in: f32, %sum: f32, %out: f32):
    %d = arith.divf %in, %sum : f32
    linalg.yield %d : f32
  } -> tensor<8x637xf32>
  return %r : tensor<8x637xf32>
}

// Without the layout a row starts anywhere, and neighbouring threads read neighbouring elements.

// CHECK-LABEL: gpu.func @odd(
// CHECK:         scf.for %{{.*}} to %c637 step %c128 iter_args
// CHECK-NOT:     scf.for
// CHECK:         gpu.return
func.func private @odd(%x: tensor<8x637xf32>) -> tensor<8xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x637xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  return %s : tensor<8xf32>
}

// Of 16 bits a thread does eight at a time in rows that keep all threads busy so.

// CHECK-LABEL: gpu.func @long(
// CHECK-SAME:    %[[X:.*]]: memref<8203xbf16>
// CHECK:         scf.for %{{.*}} to %c512 step %c512 iter_args
// CHECK-COUNT-8:   memref.load %[[X]]
// CHECK-NOT:       memref.load
// CHECK:         scf.for %{{.*}} to %c3 step %c512 iter_args
// CHECK:         gpu.return
func.func private @long(%x: tensor<2x4099xbf16>) -> tensor<2xf32> attributes {rt.kernel, rt.rows = 1 : i64,
    rt.layouts = [memref<2x4099xbf16, strided<[4104, 1]>>, memref<2xf32>]} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<2xf32>) -> tensor<2xf32>
  %s = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<2x4099xbf16>) outs(%i : tensor<2xf32>) {
  ^bb0(%in: bf16, %out: f32):
    %wide = arith.extf %in : bf16 to f32
    %a = arith.addf %out, %wide : f32
    linalg.yield %a : f32
  } -> tensor<2xf32>
  return %s : tensor<2xf32>
}

// Loops without sums: the last thread of a row does what is left of it.

// CHECK-LABEL: gpu.func @flat_apart(
// CHECK-SAME:    %[[X:.*]]: memref<5117xf32> {llvm.noalias}, %[[Y:.*]]: memref<5117xf32> {llvm.noalias}
// CHECK:         %[[STEP:.*]] = arith.remui %{{.*}}, %c160
// CHECK:         %[[WHOLE:.*]] = arith.cmpi ult, %[[STEP]], %c159
// CHECK:         scf.if %[[WHOLE]]
// CHECK-COUNT-4:   memref.store %{{.*}}, %[[Y]]
// CHECK:         %[[LAST:.*]] = arith.cmpi eq, %[[STEP]], %c159
// CHECK:         scf.if %[[LAST]]
// CHECK:           memref.store %{{.*}}, %[[Y]]
// CHECK-NOT:       memref.store
// CHECK:         gpu.return
func.func private @flat_apart(%x: tensor<8x637xf32>) -> tensor<8x637xf32> attributes {rt.kernel, rt.rows = 1 : i64,
    rt.layouts = [memref<8x637xf32, strided<[640, 1]>>, memref<8x637xf32, strided<[640, 1]>>]} {
  %o = tensor.empty() : tensor<8x637xf32>
  %r = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x637xf32>) outs(%o : tensor<8x637xf32>) {
  ^bb0(%in: f32, %out: f32):
    %d = arith.mulf %in, %in : f32
    linalg.yield %d : f32
  } -> tensor<8x637xf32>
  return %r : tensor<8x637xf32>
}

// However many sums a row has, the warps' parts take turns in two places: behind the barrier of one the other has been read.

// CHECK-LABEL: gpu.func @sums(
// CHECK-SAME:    memref<64xi8, #gpu.address_space<workgroup>>
// CHECK:         memref.view %{{.*}}[%c0][] : {{.*}} to memref<4xf32
// CHECK:         gpu.barrier
// CHECK:         memref.view %{{.*}}[%c32][] : {{.*}} to memref<4xf32
// CHECK:         gpu.barrier
// CHECK-NOT:     memref.view
// CHECK:         gpu.barrier
// CHECK:         gpu.return
func.func private @sums(%x: tensor<8x640xf32>) -> tensor<8xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %s1 = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x640xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %s2 = linalg.generic {indexing_maps = [#all, #rows, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x, %s1 : tensor<8x640xf32>, tensor<8xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %before: f32, %out: f32):
    %d = arith.mulf %in, %before : f32
    %a = arith.addf %out, %d : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %s3 = linalg.generic {indexing_maps = [#all, #rows, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x, %s2 : tensor<8x640xf32>, tensor<8xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %before: f32, %out: f32):
    %d = arith.mulf %in, %before : f32
    %a = arith.addf %out, %d : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  return %s3 : tensor<8xf32>
}

// What a row keeps lies in shared memory, of each of the block's four rows; others read it behind a barrier.

// CHECK-LABEL: gpu.func @keeps(
// CHECK-SAME:    memref<1024xi8, #gpu.address_space<workgroup>>
// CHECK:         %[[ROW:.*]] = arith.divui %{{.*}}, %c32
// CHECK:         %[[OFFSET:.*]] = arith.muli %[[ROW]], %c256
// CHECK:         memref.view %{{.*}}[%[[OFFSET]]][] : {{.*}} to memref<64xf32
// CHECK:         math.exp
// CHECK:         memref.store %{{.*}} : memref<64xf32, #gpu.address_space<workgroup>>
// CHECK:         gpu.barrier
// CHECK:         memref.load %{{.*}} : memref<64xf32, #gpu.address_space<workgroup>>
func.func private @keeps(%x: tensor<8x64xf32>) -> tensor<8x64xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x64xf32>
  %z = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%z : tensor<8xf32>) -> tensor<8xf32>
  %k:2 = linalg.generic {indexing_maps = [#all, #all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x64xf32>) outs(%e, %i : tensor<8x64xf32>, tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32, %sum: f32):
    %a = math.exp %in : f32
    %s = arith.addf %sum, %a : f32
    linalg.yield %a, %s : f32, f32
  } -> (tensor<8x64xf32>, tensor<8xf32>)
  %r = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%k#0, %k#1 : tensor<8x64xf32>, tensor<8xf32>) outs(%e : tensor<8x64xf32>) {
  ^bb0(%in: f32, %sum: f32, %out: f32):
    %d = arith.divf %in, %sum : f32
    linalg.yield %d : f32
  } -> tensor<8x64xf32>
  return %r : tensor<8x64xf32>
}

// Columns: eight a block, their rows shared out among its threads, whose sums meet in shared memory in a fixed order.

// CHECK-LABEL: gpu.func @column_sum(
// CHECK-SAME:    known_block_size = array<i32: 512, 1, 1>
// CHECK:         scf.for %{{.*}} to %{{.*}} step %c64 iter_args
// CHECK-COUNT-6: gpu.barrier
// CHECK-NOT:     gpu.barrier
// CHECK:         %[[BEFORE:.*]] = memref.load %arg1
// CHECK:         arith.addf %[[BEFORE]]
func.func private @column_sum(%x: tensor<100x203xf32>) -> tensor<203xf32>
    attributes {rt.kernel, rt.rows = 0 : i64, rt.accumulate = [true],
                rt.layouts = [memref<100x203xf32>, memref<203xf32>]} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<203xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<203xf32>) -> tensor<203xf32>
  %s = linalg.generic {indexing_maps = [#all, #columns], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<100x203xf32>) outs(%i : tensor<203xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<203xf32>
  return %s : tensor<203xf32>
}

// One operand starts at a multiple of 16 bytes in both launches, the other in one of them only.

// CHECK-LABEL: gpu.func @flat(
// CHECK-SAME:    {llvm.align = 16 : i64, llvm.noalias}
// CHECK-SAME:    {llvm.align = 4 : i64, llvm.noalias}
// CHECK-SAME:    known_block_size = array<i32: 256, 1, 1>
// CHECK-COUNT-4: arith.negf
// CHECK-COUNT-4: memref.store
// CHECK-NOT:     scf.for
func.func private @flat(%x: tensor<128x64xf32>) -> tensor<128x64xf32> attributes {rt.kernel, rt.rows = 2 : i64} {
  %o = tensor.empty() : tensor<128x64xf32>
  %r = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<128x64xf32>) outs(%o : tensor<128x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %d = arith.negf %in : f32
    linalg.yield %d : f32
  } -> tensor<128x64xf32>
  return %r : tensor<128x64xf32>
}

// Four neighbours' random words come of two blocks of Philox, twenty products each; one in the first round is common.

// CHECK-LABEL: gpu.func @random(
// CHECK-COUNT-39: arith.extui
// CHECK-NOT:     arith.extui
// CHECK:         gpu.return
func.func private @random(%seed: i64, %instance: i64, %step: i64) -> tensor<64xi32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %o = tensor.empty() : tensor<64xi32>
  %r = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      outs(%o : tensor<64xi32>) {
  ^bb0(%out: i32):
    %i = linalg.index 0 : index
    %n = arith.index_cast %i : index to i64
    %w = rt.random_word %seed, %n, %instance, %step : i32
    linalg.yield %w : i32
  } -> tensor<64xi32>
  return %r : tensor<64xi32>
}

// A block adds up the gradients of one row of the table, in the order of the ids, without atomics.

// CHECK-LABEL: gpu.func @scatter(
// CHECK-SAME:    known_block_size = array<i32: 32, 1, 1>
// CHECK:         scf.for
// CHECK:           memref.load %arg1
// CHECK-COUNT-5:   gpu.shuffle xor
// CHECK:           gpu.barrier
// CHECK:           scf.while
// CHECK:             math.cttz
// CHECK:             arith.addf
// CHECK-NOT:     atomic
func.func private @scatter(%d: tensor<4x8x64xf32>, %ids: tensor<4x8xi32>, %first: index) -> tensor<50x64xf32>
    attributes {rt.kernel} {
  %r = rt.scatter_add %d, %ids, %first : tensor<4x8x64xf32>, tensor<4x8xi32> -> tensor<50x64xf32>
  return %r : tensor<50x64xf32>
}

// A kernel that is row loops already: a thread does four rows, 16 bytes, where four divide the rows of all launches; what
// all launches pass as a multiple of four shows it.

// CHECK-LABEL: gpu.func @update(%arg0: index, %arg1: index, %arg2: memref<1024xf32> {llvm.align = 16 : i64, llvm.noalias})
// CHECK:         %[[ROW:.*]] = arith.muli %{{.*}}, %c4
// CHECK:         %[[INSIDE:.*]] = arith.cmpi ult, %[[ROW]], %arg1
// CHECK:         %[[GROUP:.*]] = arith.divui %arg0, %c4
// CHECK:         %[[START:.*]] = arith.muli %[[GROUP]], %c4
// CHECK:         scf.if %[[INSIDE]]
// CHECK:           %[[LOWER:.*]] = arith.addi %[[START]], %[[ROW]]
// CHECK:           scf.for %{{.*}} = %[[LOWER]] to %{{.*}} step %c4
// CHECK-COUNT-4:     memref.load
func.func private @update(%start: index, %p: memref<1024xf32>, %begin: index, %end: index)
    attributes {rt.kernel, rt.extent = 1024 : i64, rt.grain = 1 : i64} {
  %one = arith.constant 1 : index
  %lower = arith.addi %start, %begin : index
  %upper = arith.addi %start, %end : index
  scf.for %i = %lower to %upper step %one {
    %x = memref.load %p[%i] : memref<1024xf32>
    %y = arith.negf %x : f32
    memref.store %y, %p[%i] : memref<1024xf32>
  }
  return
}

// Else a row.

// CHECK-LABEL: gpu.func @odd_update(
// CHECK:         %[[ROW:.*]] = arith.addi
// CHECK:         %[[INSIDE:.*]] = arith.cmpi ult, %[[ROW]], %arg1
// CHECK:         scf.if %[[INSIDE]]
// CHECK:           scf.for %{{.*}} step %c1
// CHECK-COUNT-1:     memref.load
// CHECK-NOT:         memref.load
func.func private @odd_update(%start: index, %p: memref<1024xf32>, %begin: index, %end: index)
    attributes {rt.kernel, rt.extent = 1024 : i64, rt.grain = 1 : i64} {
  %one = arith.constant 1 : index
  %lower = arith.addi %start, %begin : index
  %upper = arith.addi %start, %end : index
  scf.for %i = %lower to %upper step %one {
    %x = memref.load %p[%i] : memref<1024xf32>
    %y = arith.negf %x : f32
    memref.store %y, %p[%i] : memref<1024xf32>
  }
  return
}
