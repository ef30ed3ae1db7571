// RUN: colo-opt %s --lower-kernels | FileCheck %s

#rows = affine_map<(d0, d1) -> (d0)>
#all = affine_map<(d0, d1) -> (d0, d1)>
#columns = affine_map<(d0, d1) -> (d1)>

// Phases of a row follow each other inside one row loop; the sum is a loop-carried value and does not touch memory.

// CHECK-LABEL: func.func private @normalise(
// CHECK-SAME:    %[[X:.*]]: memref<320xf32> {llvm.noalias}, %[[Y:.*]]: memref<320xf32> {llvm.noalias},
// CHECK-SAME:    %[[BEGIN:.*]]: index, %[[END:.*]]: index)
// CHECK-SAME:    rt.extent = 8 : i64
// CHECK:         scf.for %{{.*}} = %[[BEGIN]] to %[[END]]
// CHECK:           %[[SUM:.*]] = scf.for {{.*}} iter_args
// CHECK:             arith.addf {{.*}} fastmath<reassoc,nsz,arcp,contract,afn>
// CHECK:           scf.for
// CHECK:             arith.divf %{{.*}}, %[[SUM]]
// CHECK:             memref.store %{{.*}}, %[[Y]]
func.func private @normalise(%x: tensor<8x40xf32>) -> tensor<8x40xf32> attributes {rt.kernel, rt.rows = 1 : i64} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<8xf32>) -> tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#all, #rows], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x40xf32>) outs(%i : tensor<8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %o = tensor.empty() : tensor<8x40xf32>
  %r = linalg.generic {indexing_maps = [#all, #rows, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<8x40xf32>, tensor<8xf32>) outs(%o : tensor<8x40xf32>) {
  ^bb0(%in: f32, %sum: f32, %out: f32):
    %d = arith.divf %in, %sum : f32
    linalg.yield %d : f32
  } -> tensor<8x40xf32>
  return %r : tensor<8x40xf32>
}

// Columns: the reduction outside, all columns of a thread's units inside, so that rows are read from end to end, and the
// result added to what the destination holds.

// CHECK-LABEL: func.func private @column_sum(
// CHECK-SAME:    rt.extent = 4 : i64
// CHECK:         %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<256xf32>
// CHECK:         scf.for %[[UNIT:.*]] = %arg2 to %arg3 step %c4
// CHECK:           %[[LOWER:.*]] = arith.muli %[[UNIT]], %c64
// CHECK:           arith.minui %{{.*}}, %arg3
// CHECK:           %[[UPPER:.*]] = arith.minui %{{.*}}, %c200
// CHECK:           %[[WIDTH:.*]] = arith.subi %[[UPPER]], %[[LOWER]]
// CHECK:           scf.for %{{.*}} to %[[WIDTH]]
// CHECK:             memref.store %{{.*}}, %[[SUMS]]
// CHECK:           scf.for %{{.*}} = %{{.*}} to %c8
// CHECK:             scf.for
// CHECK:               memref.load %[[SUMS]]
// CHECK:               memref.store %{{.*}}, %[[SUMS]]
// CHECK:           scf.for
// CHECK:             %[[SUM:.*]] = memref.load %[[SUMS]]
// CHECK:             %[[BEFORE:.*]] = memref.load %arg1
// CHECK:             arith.addf %[[BEFORE]], %[[SUM]]
func.func private @column_sum(%x: tensor<8x200xf32>) -> tensor<200xf32>
    attributes {rt.kernel, rt.rows = 0 : i64, rt.accumulate = [true],
                rt.layouts = [memref<8x200xf32>, memref<200xf32>]} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<200xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<200xf32>) -> tensor<200xf32>
  %s = linalg.generic {indexing_maps = [#all, #columns], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<8x200xf32>) outs(%i : tensor<200xf32>) {
  ^bb0(%in: f32, %out: f32):
    %a = arith.addf %out, %in : f32
    linalg.yield %a : f32
  } -> tensor<200xf32>
  return %s : tensor<200xf32>
}

// Contiguous operands: all dims are one loop, cut into blocks.

// CHECK-LABEL: func.func private @flat(
// CHECK-SAME:    rt.extent = 4 : i64
// CHECK:         scf.for
// CHECK:           scf.for
// CHECK-NOT:         scf.for
// CHECK:         return
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

// A strided operand keeps its rows apart.

// CHECK-LABEL: func.func private @strided(%arg0: memref<8954xf32>
// CHECK-SAME:    rt.extent = 128 : i64
func.func private @strided(%x: tensor<128x64xf32>) -> tensor<128x64xf32>
    attributes {rt.kernel, rt.rows = 2 : i64,
                rt.layouts = [memref<128x64xf32, strided<[70, 1], offset: ?>>, memref<128x64xf32>]} {
  %o = tensor.empty() : tensor<128x64xf32>
  %r = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<128x64xf32>) outs(%o : tensor<128x64xf32>) {
  ^bb0(%in: f32, %out: f32):
    %d = arith.negf %in : f32
    linalg.yield %d : f32
  } -> tensor<128x64xf32>
  return %r : tensor<128x64xf32>
}

// Rows of a table are added up in the order of the ids, in parallel over features.

// CHECK-LABEL: func.func private @scatter(
// CHECK-SAME:    rt.extent = 1 : i64
// CHECK:         scf.for
// CHECK:           %[[ID:.*]] = memref.load %arg1
// CHECK:           %[[HERE:.*]] = arith.cmpi ult
// CHECK:           scf.if %[[HERE]]
// CHECK:             arith.addf
func.func private @scatter(%d: tensor<4x8x64xf32>, %ids: tensor<4x8xi32>, %first: index) -> tensor<50x64xf32>
    attributes {rt.kernel} {
  %r = rt.scatter_add %d, %ids, %first : tensor<4x8x64xf32>, tensor<4x8xi32> -> tensor<50x64xf32>
  return %r : tensor<50x64xf32>
}

// Not a kernel: left alone.

// CHECK-LABEL: func.func @host(%arg0: tensor<4xf32>) -> tensor<4xf32>
func.func @host(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// A mask is a byte in memory, read and written.

// CHECK-LABEL: func.func private @masks(
// CHECK-SAME:    %[[M:.*]]: memref<40xi8> {llvm.noalias}, %[[N:.*]]: memref<40xi8> {llvm.noalias}
// CHECK:         %[[BYTE:.*]] = memref.load %[[M]]
// CHECK:         %[[BIT:.*]] = arith.trunci %[[BYTE]] : i8 to i1
// CHECK:         %[[BOTH:.*]] = arith.andi %[[BIT]], %[[BIT]] : i1
// CHECK:         %[[STORED:.*]] = arith.extui %[[BOTH]] : i1 to i8
// CHECK:         memref.store %[[STORED]], %[[N]]
func.func private @masks(%m: tensor<8x5xi1>) -> tensor<8x5xi1> attributes {rt.kernel, rt.rows = 1 : i64} {
  %e = tensor.empty() : tensor<8x5xi1>
  %r = linalg.generic {indexing_maps = [#all, #all], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<8x5xi1>) outs(%e : tensor<8x5xi1>) {
  ^bb0(%in: i1, %out: i1):
    %b = arith.andi %in, %in : i1
    linalg.yield %b : i1
  } -> tensor<8x5xi1>
  return %r : tensor<8x5xi1>
}
