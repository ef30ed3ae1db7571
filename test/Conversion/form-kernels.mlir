// RUN: colo-opt %s --form-kernels | FileCheck %s
// RUN: colo-opt %s --form-kernels=row-bytes=399 | FileCheck %s --check-prefix=SMALL
// RUN: colo-opt %s --form-kernels=registers=10 | FileCheck %s --check-prefix=FEW

// A softmax is one kernel of three phases; the exponentials stay in the row, whose room they fill. In less they are made again.

// SMALL-LABEL: func.func private @softmax.k0
// SMALL-COUNT-2: math.exp
// SMALL-LABEL: func.func @softmax(

// CHECK-LABEL: func.func private @softmax.k0
// CHECK-SAME:    rt.kernel, rt.rows = 2 : i64
// CHECK:         %[[MAX:.*]] = linalg.generic
// CHECK-SAME:      iterator_types = ["parallel", "parallel", "reduction"]
// CHECK:           arith.maximumf
// CHECK:         %[[EXP:.*]]:2 = linalg.generic
// CHECK-SAME:      ins(%{{.*}}, %[[MAX]]
// CHECK:           math.exp
// CHECK:           arith.addf
// CHECK:         linalg.generic
// CHECK-SAME:      ins(%[[EXP]]#0, %[[EXP]]#1
// CHECK-NOT:       math.exp
// CHECK:           arith.divf
// CHECK-LABEL: func.func @softmax(
// CHECK-NEXT:    rt.launch @softmax.k0(%arg0)
// CHECK-NEXT:    return
func.func @softmax(%x: tensor<4x8x100xf32>) -> tensor<4x8x100xf32> {
  %m = colo.reduce %x {kind = 1 : i32, dims = array<i64: 2>} : tensor<4x8x100xf32> -> tensor<4x8xf32>
  %mb = colo.broadcast %m {dims = array<i64: 0, 1>} : tensor<4x8xf32> -> tensor<4x8x100xf32>
  %c = colo.sub %x, %mb : tensor<4x8x100xf32>
  %e = colo.exp %c : tensor<4x8x100xf32>
  %s = colo.reduce %e {kind = 0 : i32, dims = array<i64: 2>} : tensor<4x8x100xf32> -> tensor<4x8xf32>
  %sb = colo.broadcast %s {dims = array<i64: 0, 1>} : tensor<4x8xf32> -> tensor<4x8x100xf32>
  %r = colo.div %e, %sb : tensor<4x8x100xf32>
  return %r : tensor<4x8x100xf32>
}

// A value and a gradient that read the same tensor share a kernel; the column sum is one of its own, and its result goes
// to colo.grad alone.

// CHECK-LABEL: func.func private @bias.k0
// CHECK:         iterator_types = ["parallel", "parallel", "parallel"]
// CHECK-COUNT-2: math.tanh
// CHECK-LABEL: func.func private @bias.k1
// CHECK-SAME:    rt.rows = 0
// CHECK:         iterator_types = ["reduction", "reduction", "parallel"]
// CHECK-LABEL: func.func @bias(
// CHECK-NEXT:    %[[BOTH:.*]]:2 = rt.launch @bias.k0
// CHECK-NEXT:    %[[SUM:.*]] = rt.launch @bias.k1(%[[BOTH]]#1)
// CHECK-NEXT:    colo.grad %[[SUM]]
func.func @bias(%x: tensor<4x8x256xf32>, %b: tensor<256xf32>, %dy: tensor<4x8x256xf32>)
    -> (tensor<4x8x256xf32>, tensor<4x8x256xf32>) {
  %bb = colo.broadcast %b {dims = array<i64: 2>} : tensor<256xf32> -> tensor<4x8x256xf32>
  %h = colo.add %x, %bb : tensor<4x8x256xf32>
  %g = colo.gelu %h {tanh} : tensor<4x8x256xf32>
  %dz = colo.gelu_grad %h, %dy {tanh} : tensor<4x8x256xf32>
  %db = colo.reduce %dz {kind = 0 : i32, dims = array<i64: 0, 1>} : tensor<4x8x256xf32> -> tensor<256xf32>
  colo.grad %db, %b : tensor<256xf32>, tensor<256xf32>
  return %g, %dz : tensor<4x8x256xf32>, tensor<4x8x256xf32>
}

// A product reads slices in place; a transposed result is a copy, because callers see row-major memory.

// CHECK-LABEL: func.func @views(
// CHECK-NEXT:    %[[Y:.*]] = rt.launch @views.k0
// CHECK-NEXT:    %[[Q:.*]] = colo.slice %[[Y]]
// CHECK-NEXT:    colo.einsum "bij,ijo->bo", %[[Q]]
// CHECK-NEXT:    rt.launch @views.k1(%[[Y]])
// CHECK-NEXT:    return
func.func @views(%x: tensor<2x6x5xf32>, %w: tensor<3x5x8xf32>) -> (tensor<2x8xf32>, tensor<2x5x3xf32>) {
  %y = colo.exp %x : tensor<2x6x5xf32>
  %q = colo.slice %y {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<2x6x5xf32> -> tensor<2x3x5xf32>
  %k = colo.slice %y {offsets = array<i64: 0, 3, 0>, strides = array<i64: 1, 1, 1>} : tensor<2x6x5xf32> -> tensor<2x3x5xf32>
  %e = colo.einsum "bij,ijo->bo", %q, %w : tensor<2x3x5xf32>, tensor<3x5x8xf32> -> tensor<2x8xf32>
  %t = colo.transpose %k {permutation = array<i64: 0, 2, 1>} : tensor<2x3x5xf32> -> tensor<2x5x3xf32>
  return %e, %t : tensor<2x8xf32>, tensor<2x5x3xf32>
}

// A gradient that something else reads as well is copied.

// CHECK-LABEL: func.func @shared_gradient(
// CHECK-NEXT:    %[[PRODUCT:.*]] = colo.einsum
// CHECK-NEXT:    %[[COPY:.*]] = rt.launch @shared_gradient.k0(%[[PRODUCT]])
// CHECK-NEXT:    colo.grad %[[COPY]]
// CHECK-NEXT:    return %[[PRODUCT]]
func.func @shared_gradient(%x: tensor<4x8xf32>, %y: tensor<4x6xf32>, %w: tensor<8x6xf32>) -> tensor<8x6xf32> {
  %d = colo.einsum "bi,bo->io", %x, %y : tensor<4x8xf32>, tensor<4x6xf32> -> tensor<8x6xf32>
  colo.grad %d, %w : tensor<8x6xf32>, tensor<8x6xf32>
  return %d : tensor<8x6xf32>
}

// Run-time numbers are scalars of the launch; an id that the rank does not hold reads 0.

// CHECK-LABEL: func.func private @lookup.k0
// CHECK:         tensor.extract
// CHECK:         rt.random_word
// CHECK-LABEL: func.func private @lookup.k1
// CHECK:         rt.scatter_add
// CHECK-LABEL: func.func @lookup(
// CHECK-DAG:     rt.scalar "seed" : i64
// CHECK-DAG:     rt.scalar "first_row" : i64
// CHECK-DAG:     rt.axis_index "tp" : index
// CHECK:         rt.launch @lookup.k0
// CHECK-SAME:      index, i64, i64, i64, i64) ->
#rows = [{global = 99, padded = 100, axes = ["tp"]}, {global = 64, padded = 64, axes = []}]
func.func @lookup(%t: tensor<50x64xf32>, %ids: tensor<4x8xi32>, %d: tensor<4x8x64xf32>) -> tensor<4x8x64xf32> {
  %e = colo.embedding %t, %ids {positions = #rows} : tensor<50x64xf32>, tensor<4x8xi32> -> tensor<4x8x64xf32>
  %r = colo.dropout %e {rate = 1.0e-1 : f64, id = 3 : i64} : tensor<4x8x64xf32>
  %g = colo.embedding_grad %d, %ids {positions = #rows} : tensor<4x8x64xf32>, tensor<4x8xi32> -> tensor<50x64xf32>
  colo.grad %g, %t : tensor<50x64xf32>, tensor<50x64xf32>
  return %r : tensor<4x8x64xf32>
}

// Nothing to group.

// CHECK-LABEL: func.func @product_only(
// CHECK-NEXT:    colo.einsum
// CHECK-NEXT:    return
func.func @product_only(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %y = colo.einsum "bi,io->bo", %x, %w : tensor<4x8xf32>, tensor<8x6xf32> -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// A table of functions of the position is made once, not for each row that it meets; what is cheap, or leaves the inner loop
// by itself, is computed where it is read.

// CHECK-LABEL: func.func private @table.k0() -> tensor<6x8xf32>
// CHECK:         math.cos
// CHECK-LABEL: func.func private @table.k1(
// CHECK-NOT:     math.cos
// CHECK:         math.sin
// CHECK-LABEL: func.func @table(
// CHECK:         %[[TABLE:.*]] = rt.launch @table.k0()
// CHECK-NEXT:    rt.launch @table.k1(%arg0, %[[TABLE]])
func.func @table(%x: tensor<4x6x8xf32>) -> tensor<4x6x8xf32> {
  %i = colo.iota {dim = 1 : i64} : tensor<6x8xf32>
  %c = colo.cos %i : tensor<6x8xf32>
  %cb = colo.broadcast %c {dims = array<i64: 1, 2>} : tensor<6x8xf32> -> tensor<4x6x8xf32>
  %j = colo.iota {dim = 0 : i64} : tensor<6xf32>
  %s = colo.sin %j : tensor<6xf32>
  %sb = colo.broadcast %s {dims = array<i64: 1>} : tensor<6xf32> -> tensor<4x6x8xf32>
  %p = colo.mul %x, %cb : tensor<4x6x8xf32>
  %y = colo.mul %p, %sb : tensor<4x6x8xf32>
  return %y : tensor<4x6x8xf32>
}

// A table is whole before a row of it is looked up, whatever the lookup is part of: the first kernel is no part of the last,
// which reads the table too, but only after the lookup.

// CHECK-LABEL: func.func private @computed_table.k0(
// CHECK:         math.tanh
// CHECK-LABEL: func.func private @computed_table.k1(
// CHECK:         tensor.extract
// CHECK-LABEL: func.func @computed_table(
// CHECK:         %[[TABLE:.*]] = rt.launch @computed_table.k0(%arg0)
// CHECK:         %[[ROWS:.*]] = rt.launch @computed_table.k1({{.*}}%[[TABLE]]
// CHECK:         rt.launch @computed_table.k3(%[[ROWS]]
// CHECK:         rt.launch @computed_table.k2({{.*}}%[[TABLE]]
func.func @computed_table(%w: tensor<6x8xf32>, %ids: tensor<5xi32>) -> tensor<6x8xf32> {
  %t = colo.tanh %w : tensor<6x8xf32>
  %e = colo.embedding %t, %ids : tensor<6x8xf32>, tensor<5xi32> -> tensor<5x8xf32>
  %y = colo.mul %e, %e : tensor<5x8xf32>
  %g = colo.embedding_grad %y, %ids : tensor<5x8xf32>, tensor<5xi32> -> tensor<6x8xf32>
  %z = colo.mul %g, %t : tensor<6x8xf32>
  return %z : tensor<6x8xf32>
}

// Nor where rows of the lookup are added up in the order of the table's.

// CHECK-LABEL: func.func private @summed_rows.k0(
// CHECK:         math.tanh
// CHECK-NOT:     tensor.extract
// CHECK-LABEL: func.func private @summed_rows.k1(
// CHECK-LABEL: func.func @summed_rows(
func.func @summed_rows(%w: tensor<6x8xf32>, %ids: tensor<6xi32>) -> tensor<f32> {
  %t = colo.tanh %w : tensor<6x8xf32>
  %e = colo.embedding %t, %ids : tensor<6x8xf32>, tensor<6xi32> -> tensor<6x8xf32>
  %y = colo.mul %e, %t : tensor<6x8xf32>
  %s = colo.reduce %y {dims = array<i64: 0, 1>, kind = 0 : i32} : tensor<6x8xf32> -> tensor<f32>
  return %s : tensor<f32>
}

// Attention that was left whole is kernels of its own, one forward, two backward: nothing joins them, and views are read as they are.
// Positions of rows, cut over the axis, come from the region; keys start at multiples of a run.

// CHECK-LABEL: func.func private @whole_attention.k1(
// CHECK-SAME:    rt.flops = 49152 : i64
// CHECK:         rt.attention forward %{{.*}}, %{{.*}}, %{{.*}} random %{{.*}}, %{{.*}}, %{{.*}} {causal, dropout = 1.000000e-01 : f64, ordered, run = 16 : i64, scale = 5.000000e-01 : f64, sizes = array<i64: 2, 4, 24, 16>}
// CHECK:         ^bb0(%{{.*}}: index, %[[HEAD:.*]]: index, %{{.*}}: index, %{{.*}}: index):
// CHECK:           rt.yield %{{.*}} : i64, i64, i64, i64
// CHECK-LABEL: func.func private @whole_attention.k2(
// CHECK-SAME:    rt.flops = 40960 : i64
// CHECK:         %[[DQ:.*]] = rt.attention dquery {{.*}} lse %{{.*}} gradient %{{.*}} delta %{{.*}} random
// CHECK:         return %[[DQ]] : tensor<2x12x4x8xf32>
// CHECK-LABEL: func.func private @whole_attention.k3(
// CHECK-SAME:    rt.flops = 81920 : i64
// CHECK:         rt.attention dkey_dvalue
// CHECK-LABEL: func.func @whole_attention(
// CHECK:         %[[K:.*]] = colo.slice %arg1
// CHECK:         %[[V:.*]] = colo.slice %arg1
// CHECK:         rt.launch @{{.*}}(%arg0, %[[K]], %[[V]]
#whole = [{global = 2, padded = 2, axes = []}, {global = 4, padded = 4, axes = []}, {global = 24, padded = 24, axes = ["tp"]}, {global = 16, padded = 16, axes = []}]
func.func @whole_attention(%q: tensor<2x12x4x8xf32>, %kv: tensor<2x16x2x16xf32>, %d: tensor<2x12x4x8xf32>)
    -> (tensor<2x12x4x8xf32>, tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>) {
  %k = colo.slice %kv {offsets = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x16x2x16xf32> -> tensor<2x16x2x8xf32>
  %v = colo.slice %kv {offsets = array<i64: 0, 0, 0, 8>, strides = array<i64: 1, 1, 1, 1>} : tensor<2x16x2x16xf32> -> tensor<2x16x2x8xf32>
  %o, %lse = colo.attention %q, %k, %v {scale = 0.5 : f64, causal, dropout = 0.1 : f64, id = 3 : i64, positions = #whole}
    : tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32> -> tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
  %t = colo.mul %d, %o : tensor<2x12x4x8xf32>
  %r = colo.reduce %t {kind = 0 : i32, dims = array<i64: 3>} : tensor<2x12x4x8xf32> -> tensor<2x12x4xf32>
  %delta = colo.transpose %r {permutation = array<i64: 0, 2, 1>} : tensor<2x12x4xf32> -> tensor<2x4x12xf32>
  %dq, %dk, %dv = colo.attention_grad %q, %k, %v, %lse, %d delta %delta {scale = 0.5 : f64, causal, dropout = 0.1 : f64, id = 3 : i64, positions = #whole}
    : (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>, tensor<2x4x12xf32>, tensor<2x12x4x8xf32>, tensor<2x4x12xf32>)
    -> (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>)
  return %o, %dq, %dk, %dv : tensor<2x12x4x8xf32>, tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>
}

// Backwards a chain needs what it computed forwards, all at once. Where that is more than the registers, a value in the middle goes
// through memory, and no part has more.

// CHECK-LABEL: func.func @chain(
// CHECK-NEXT:    rt.launch @chain.k0(%arg1, %arg0)
// CHECK-NEXT:    return
// FEW-LABEL: func.func @chain(
// FEW-NEXT:    %[[MIDDLE:.*]] = rt.launch @chain.k0(%arg1, %arg0)
// FEW-NEXT:    rt.launch @chain.k1(%[[MIDDLE]], %arg0)
// FEW-NEXT:    return
func.func @chain(%x: tensor<8x64xf32>, %dy: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %e1 = colo.exp %x : tensor<8x64xf32>
  %e2 = colo.exp %e1 : tensor<8x64xf32>
  %e3 = colo.exp %e2 : tensor<8x64xf32>
  %e4 = colo.exp %e3 : tensor<8x64xf32>
  %d4 = colo.mul %dy, %e4 : tensor<8x64xf32>
  %d3 = colo.mul %d4, %e3 : tensor<8x64xf32>
  %d2 = colo.mul %d3, %e2 : tensor<8x64xf32>
  %d1 = colo.mul %d2, %e1 : tensor<8x64xf32>
  return %d1 : tensor<8x64xf32>
}
