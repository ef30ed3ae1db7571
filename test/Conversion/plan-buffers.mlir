// RUN: colo-opt %s -plan-buffers -symbol-dce -cse -split-input-file | FileCheck %s

// Parameters lie in the flat buffers class by class, layer by layer; a class is one segment.
// CHECK-LABEL: module @layout attributes
// CHECK-SAME: colo.param_elements = 272 : i64
// CHECK-SAME: colo.segments = [{begin = 0 : i64, decay = true, end = 224 : i64, owner_axes = ["tp"], reduce = []},
// CHECK-SAME: {begin = 224 : i64, decay = true, end = 272 : i64, owner_axes = ["tp"], reduce = ["tp"]}]
module @layout {
  dist.mesh @mesh <["tp"=2]>
  // CHECK: colo.param @"h.#.w"
  // CHECK-SAME: layer_stride = 64 : i64
  // CHECK-SAME: offset = 0 : i64, segment = 0 : i64
  colo.param @"h.#.w" : tensor<8x8xf32> {layers = 3 : i64, logical_shape = array<i64: 8, 8>, file_shape = array<i64: 8, 8>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  // CHECK: colo.param @"h.#.b"
  // CHECK-SAME: layer_stride = 16 : i64
  // CHECK-SAME: offset = 224 : i64, {{.*}}segment = 1 : i64
  colo.param @"h.#.b" : tensor<8xf32> {layers = 3 : i64, logical_shape = array<i64: 8>, file_shape = array<i64: 8>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>, reduce = ["tp"]}
  // CHECK: colo.param @top
  // CHECK-SAME: offset = 192 : i64, segment = 0 : i64
  colo.param @top : tensor<20xf32> {logical_shape = array<i64: 20>, file_shape = array<i64: 20>, init = #colo.init<zeros, 0.0 : f64, 0.0 : f64>}
}

// -----

// A product reads its operands with the strides that views give them, and adds into the gradient buffer.
module {
  colo.param @w : tensor<2x4xf32> {logical_shape = array<i64: 2, 4>, file_shape = array<i64: 2, 4>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  func.func private @k(%x: tensor<8x2xf32>) -> tensor<8x2xf32> attributes {rt.kernel}
  // CHECK-LABEL: func.func @views
  // CHECK-SAME: %[[WS:[^:]*]]: memref<64xi8>, %{{[^:]*}}: i64, %{{[^:]*}}: i64, %[[X:[^:]*]]: memref<4x8xf32>, %[[P:[^:]*]]: memref<16xf32>, %[[G:[^:]*]]: memref<16xf32>
  func.func @views(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
    %w = colo.param_ref @w : tensor<2x4xf32>
    %t = colo.transpose %x {permutation = array<i64: 1, 0>} : tensor<4x8xf32> -> tensor<8x4xf32>
    // CHECK: %[[XT:.*]] = rt.slot %[[X]] at 0 : memref<4x8xf32> to memref<8x4xf32, strided<[1, 8]>>
    // CHECK: rt.gemm %[[XT]], %{{.*}} {a = array<i64: 1, 8>, b = array<i64: 1, 4>, c = array<i64: 2, 1>, sizes = array<i64: 8, 2, 4>}
    %y = colo.einsum "bi,oi->bo", %t, %w : tensor<8x4xf32>, tensor<2x4xf32> -> tensor<8x2xf32>
    // CHECK: rt.slot %[[G]] at 0
    // CHECK: rt.gemm {{.*}}accumulate
    %dw = colo.einsum "bo,bi->oi", %y, %t : tensor<8x2xf32>, tensor<8x4xf32> -> tensor<2x4xf32>
    colo.grad %dw, %w : tensor<2x4xf32>, tensor<2x4xf32>
    return
  }
}

// -----

// Values that do not live together share memory; those that do have disjoint places at multiples of 64 bytes.
module {
  func.func private @k(%x: tensor<10xf32>) -> tensor<10xf32> attributes {rt.kernel}
  // CHECK-LABEL: func.func @liveness
  // CHECK-SAME: memref<128xi8>
  func.func @liveness(%x: tensor<10xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.slot %{{.*}} at [[FIRST:[0-9]+]] {
    %a = rt.launch @k(%x) : (tensor<10xf32>) -> tensor<10xf32>
    // CHECK: rt.slot %{{.*}} at [[SECOND:[0-9]+]] {
    %b = rt.launch @k(%a) : (tensor<10xf32>) -> tensor<10xf32>
    // CHECK: rt.slot %{{.*}} at [[FIRST]] {
    %c = rt.launch @k(%b) : (tensor<10xf32>) -> tensor<10xf32>
    // CHECK: rt.slot %{{.*}} at [[SECOND]] {
    %d = rt.launch @k(%c) : (tensor<10xf32>) -> tensor<10xf32>
    return
  }
}

// -----

// A run of layers is one loop; saved values are slices of one stack, in which a saved input is carried: layer i writes
// slice i + 1 and nothing is copied. What backward has completed is announced.
module {
  colo.param @"h.#.w" : tensor<8x8xf32> {layers = 3 : i64, logical_shape = array<i64: 8, 8>, file_shape = array<i64: 8, 8>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  // CHECK-LABEL: func.func private @F.fwd
  func.func private @F.fwd(%x: tensor<4x8xf32>, %w: tensor<8x8xf32> {colo.param = "w"}) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %y = colo.einsum "bi,oi->bo", %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    // CHECK-NOT: rt.launch
    return %y, %x : tensor<4x8xf32>, tensor<4x8xf32>
  }
  // CHECK-LABEL: func.func private @F.bwd
  // CHECK-SAME: %[[DW:[^:]*]]: memref<8x8xf32>)
  func.func private @F.bwd(%dy: tensor<4x8xf32>, %x: tensor<4x8xf32>, %w: tensor<8x8xf32> {colo.param = "w"}) -> tensor<4x8xf32> {
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[DW]] {{.*}}accumulate
    %dw = colo.einsum "bo,bi->oi", %dy, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<8x8xf32>
    colo.grad %dw, %w : tensor<8x8xf32>, tensor<8x8xf32>
    %dx = colo.einsum "bo,oi->bi", %dy, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    return %dx : tensor<4x8xf32>
  }
  // CHECK-LABEL: func.func @run
  func.func @run(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
    // CHECK: %[[FIRST:.*]] = rt.slot %arg0 at [[STACK:[0-9]+]] {{.*}} to memref<32xf32>
    // CHECK: rt.launch @copy.0(%{{.*}}) outs(%[[FIRST]])
    // CHECK: scf.for %[[I:[^ ]*]] =
    // CHECK: %[[Y:.*]] = rt.slot {{.*}} to memref<4x8xf32>
    // CHECK: %[[IN:.*]] = rt.slot %arg0 at [[STACK]] plus {{.*}}rt.stack_bytes = 384 : i64
    // CHECK: %[[NEXT:.*]] = arith.minsi %{{.*}}, %[[LAST:.*]] : index
    // CHECK: %[[IS_LAST:.*]] = arith.cmpi eq, %[[I]], %[[LAST]]
    // CHECK: %[[AT:.*]] = arith.muli %[[NEXT]]
    // CHECK: %[[OUT:.*]] = rt.slot %arg0 at [[STACK]] plus
    // CHECK: %[[TO:.*]] = arith.select %[[IS_LAST]], %[[Y]], %[[OUT]]
    // CHECK: func.call @F.fwd(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[IN]], %{{[^,]*}}, %[[TO]])
    // CHECK-NOT: rt.gradients_ready
    %y, %s = colo.layers @F.fwd(%x) invariants() stacked() params [@"h.#.w"] {count = 3 : i64} : (tensor<4x8xf32>) () () -> (tensor<4x8xf32>) () (tensor<3x4x8xf32>)
    // CHECK: scf.for
    // CHECK: func.call @F.bwd
    // CHECK: rt.gradients_ready %{{.*}} over [] : memref<64xf32>
    %dx = colo.layers @F.bwd(%y) invariants() stacked(%s) params [@"h.#.w"] {count = 3 : i64, reverse} : (tensor<4x8xf32>) () (tensor<3x4x8xf32>) -> (tensor<4x8xf32>) () ()
    return
  }
}

// -----

// What only a run of layers reads is made in slice 0 of the stack; of what others read too slice 0 is a copy.
module {
  func.func private @F.fwd(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %y = colo.einsum "bi,ci->bc", %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
    %z = colo.einsum "bc,ci->bi", %y, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    return %z, %x : tensor<4x8xf32>, tensor<4x8xf32>
  }
  // CHECK-LABEL: func.func @run
  func.func @run(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[MADE:[0-9]+]] {
    // CHECK-NOT: rt.launch
    // CHECK: scf.for
    %a = colo.einsum "bi,oi->bo", %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %y, %s = colo.layers @F.fwd(%a) invariants() stacked() params [] {count = 2 : i64} : (tensor<4x8xf32>) () () -> (tensor<4x8xf32>) () (tensor<2x4x8xf32>)
    // CHECK: rt.launch @copy
    // CHECK-NEXT: scf.for
    %z, %t = colo.layers @F.fwd(%y) invariants() stacked() params [] {count = 2 : i64} : (tensor<4x8xf32>) () () -> (tensor<4x8xf32>) () (tensor<2x4x8xf32>)
    %u = colo.einsum "bi,oi->bo", %z, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %v = colo.einsum "bi,bi->bi", %u, %y : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    return
  }
}

// -----

// A run of one layer reads its operand and writes its result: there is no other place to carry a value in.
module {
  func.func private @F(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %y = colo.einsum "bi,ci->bc", %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
    %z = colo.einsum "bc,ci->bi", %y, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    return %z : tensor<4x8xf32>
  }
  // The callee's 64 bytes and the result's 128.
  // CHECK-LABEL: func.func @run
  // CHECK-SAME: %arg0: memref<192xi8>, {{.*}} %[[X:[^ ]*]]: memref<4x8xf32>
  func.func @run(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
    // CHECK: %[[Y:[0-9]+]] = rt.slot {{.*}} to memref<4x8xf32>
    // CHECK: func.call @F(%{{[^,]*}}, %{{[^,]*}}, %{{[^,]*}}, %[[X]], %[[Y]])
    %y = colo.layers @F(%x) invariants() stacked() params [] {count = 1 : i64} : (tensor<4x8xf32>) () () -> (tensor<4x8xf32>) () ()
    return
  }
}

// -----

// A function that is called alone too writes all its results.
module {
  // CHECK-LABEL: func.func private @F.fwd
  func.func private @F.fwd(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
    %y = colo.einsum "bi,ci->bc", %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
    %z = colo.einsum "bc,ci->bi", %y, %x : tensor<4x4xf32>, tensor<4x8xf32> -> tensor<4x8xf32>
    // CHECK: rt.launch @copy.0
    // CHECK-NEXT: return
    return %z, %x : tensor<4x8xf32>, tensor<4x8xf32>
  }
  func.func @run(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
    %y, %s = colo.layers @F.fwd(%x) invariants() stacked() params [] {count = 2 : i64} : (tensor<4x8xf32>) () () -> (tensor<4x8xf32>) () (tensor<2x4x8xf32>)
    %z, %t = colo.call @F.fwd(%y) params [] {layer = 2 : i64} : (tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>)
    return
  }
}

// -----

// Only the leading dim is gathered in place; another is put in its place by a copy.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @gather
  func.func @gather(%x: tensor<4x8xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.all_gather %{{.*}}, %{{.*}} over ["tp"] : memref<4x8xf32>, memref<8x8xf32>
    // CHECK-NOT: rt.launch
    %a = dist.all_gather %x dim 0 over @mesh ["tp"] : tensor<4x8xf32> -> tensor<8x8xf32>
    // CHECK: rt.all_gather %{{.*}}, %{{.*}} over ["tp"] : memref<4x8xf32>, memref<2x4x8xf32>
    // CHECK: rt.launch @copy.0
    %b = dist.all_gather %x dim 1 over @mesh ["tp"] : tensor<4x8xf32> -> tensor<4x16xf32>
    return
  }
}

// -----

// Rounds of broadcasts add to one product in place; the place of a function's result is where they add. The members'
// reductions share one place, too.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func private @rounds
  // CHECK-SAME: %[[X:[^:]*]]: memref<4x2xf32>, %[[W:[^:]*]]: memref<2x6xf32>, %[[Y:[^:]*]]: memref<4x6xf32>, %[[D:[^:]*]]: memref<4x2xf32>
  func.func private @rounds(%x: tensor<4x2xf32>, %w: tensor<2x6xf32>) -> (tensor<4x6xf32>, tensor<4x2xf32>) {
    // CHECK: rt.broadcast %[[X]], %[[X0:.*]] over ["tp"] {root = 0 : i64}
    %x0 = dist.broadcast %x dim 1 root 0 over @mesh ["tp"] : tensor<4x2xf32> -> tensor<4x2xf32>
    // CHECK: rt.gemm %[[X0]], %[[W]], %[[Y]] {
    // CHECK-NOT: accumulate
    %y0 = colo.einsum "mk,kn->mn", %x0, %w : tensor<4x2xf32>, tensor<2x6xf32> -> tensor<4x6xf32>
    // CHECK: rt.broadcast %[[X]], %[[X1:.*]] over ["tp"] {root = 1 : i64}
    %x1 = dist.broadcast %x dim 1 root 1 over @mesh ["tp"] : tensor<4x2xf32> -> tensor<4x2xf32>
    // CHECK: rt.gemm %[[X1]], %[[W]], %[[Y]] {{.*}}accumulate
    %y1 = colo.einsum "mk,kn->mn", %x1, %w into %y0 : tensor<4x2xf32>, tensor<2x6xf32>, tensor<4x6xf32> -> tensor<4x6xf32>
    // CHECK: rt.reduce %[[X]], %[[R:.*]] over ["tp"] {root = 0 : i64}
    %r0 = dist.reduce sum %x dim 1 root 0 over @mesh ["tp"] : tensor<4x2xf32> -> tensor<4x2xf32>
    // CHECK: rt.reduce %[[X]], %[[R]] over ["tp"] {root = 1 : i64}
    %r1 = dist.reduce sum %x into %r0 dim 1 root 1 over @mesh ["tp"] : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
    // CHECK: %[[OUT:.*]] = rt.slot %[[D]] at 0
    // CHECK: rt.launch {{.*}} outs(%[[OUT]])
    return %y1, %r1 : tensor<4x6xf32>, tensor<4x2xf32>
  }
  func.func @main(%x: tensor<4x2xf32>, %w: tensor<2x6xf32>) attributes {colo.role = "entry"} {
    %y, %d = colo.call @rounds(%x, %w) params [] : (tensor<4x2xf32>, tensor<2x6xf32>) -> (tensor<4x6xf32>, tensor<4x2xf32>)
    return
  }
}

// -----

// A gradient that products add up goes straight to the gradient buffer.
module {
  colo.param @w : tensor<2x6xf32> {logical_shape = array<i64: 2, 6>, file_shape = array<i64: 2, 6>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  // CHECK-LABEL: func.func @gradient
  func.func @gradient(%x: tensor<4x2xf32>, %d: tensor<4x6xf32>) attributes {colo.role = "entry"} {
    %w = colo.param_ref @w : tensor<2x6xf32>
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[G:.*]] {{.*}}accumulate
    %g0 = colo.einsum "bi,bo->io", %x, %d : tensor<4x2xf32>, tensor<4x6xf32> -> tensor<2x6xf32>
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[G]] {{.*}}accumulate
    // CHECK-NOT: rt.launch
    %g1 = colo.einsum "bi,bo->io", %x, %d into %g0 : tensor<4x2xf32>, tensor<4x6xf32>, tensor<2x6xf32> -> tensor<2x6xf32>
    colo.grad %g1, %w : tensor<2x6xf32>, tensor<2x6xf32>
    return
  }
}

// -----

// What is in flight runs on a stream of its own between two events; its operand and result stay where they are until the wait,
// and only then is what was received brought to its place.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @flight
  func.func @flight(%x: tensor<4x16xf32>, %w: tensor<16x16xf32>) attributes {colo.role = "entry"} {
    // CHECK: %[[A:.*]] = rt.slot %arg0 at [[AT:.*]] {rt.value = {{.*}}} : {{.*}} to memref<4x16xf32>
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[A]]
    %a = colo.einsum "mk,kn->mn", %x, %w : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
    // CHECK: rt.record {event = 2 : i64, stream = 0 : i64}
    // CHECK-NEXT: rt.wait {event = 2 : i64, stream = 2 : i64}
    // CHECK-NEXT: rt.all_gather %[[A]], %[[IN:.*]] over ["tp"] {stream = 2 : i64} : memref<4x16xf32>, memref<2x4x16xf32>
    // CHECK-NEXT: rt.record {event = 4 : i64, stream = 2 : i64}
    %g = dist.all_gather %a dim 1 over @mesh ["tp"] : tensor<4x16xf32> -> tensor<4x32xf32>
    // CHECK-NOT: rt.slot %arg0 at [[AT]] {{.*}} to memref<4x16xf32>
    // CHECK: rt.gemm
    %b = colo.einsum "mk,kn->mn", %x, %w : tensor<4x16xf32>, tensor<16x16xf32> -> tensor<4x16xf32>
    // CHECK-NOT: rt.launch
    // CHECK: rt.wait {event = 4 : i64, stream = 0 : i64}
    // CHECK: rt.launch @copy.0
    %h = dist.wait %g : (tensor<4x32xf32>) -> tensor<4x32xf32>
    %c = colo.einsum "mk,mn->kn", %h, %b : tensor<4x32xf32>, tensor<4x16xf32> -> tensor<32x16xf32>
    return
  }
}

// -----

// What a product adds is read where it lies; a value in another order is put where the result is to be, and a bias that
// is not along the result's contiguous dim is added by a kernel.
module {
  // CHECK-LABEL: func.func @epilogues
  // CHECK-SAME: %[[X:[^:]*]]: memref<8x4xf32>, %[[W:[^:]*]]: memref<6x4xf32>, %[[B:[^:]*]]: memref<6xf32>, %[[R:[^:]*]]: memref<8x6xf32>, %[[S:[^:]*]]: memref<6x8xf32>, %[[Y:[^:]*]]: memref<8x6xf32>, %[[Z:[^:]*]]: memref<8x6xf32>
  func.func @epilogues(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>, %r: tensor<8x6xf32>, %s: tensor<6x8xf32>)
      -> (tensor<8x6xf32>, tensor<8x6xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.gemm %[[X]], %[[W]], %[[Y]] bias %[[B]] plus %[[R]] {
    %y = colo.einsum "bi,oi->bo", %x, %w bias %b plus %r
      : tensor<8x4xf32>, tensor<6x4xf32> bias tensor<6xf32> plus tensor<8x6xf32> -> tensor<8x6xf32>
    // CHECK: %[[T:.*]] = rt.slot %[[S]] at 0 : memref<6x8xf32> to memref<8x6xf32, strided<[1, 8]>>
    // CHECK: rt.launch @copy.0(%[[T]]) outs(%[[Z]])
    // CHECK: rt.gemm %[[X]], %[[W]], %[[Z]] {a = {{.*}}, accumulate
    %t = colo.transpose %s {permutation = array<i64: 1, 0>} : tensor<6x8xf32> -> tensor<8x6xf32>
    %z = colo.einsum "bi,oi->bo", %x, %w plus %t
      : tensor<8x4xf32>, tensor<6x4xf32> plus tensor<8x6xf32> -> tensor<8x6xf32>
    return %y, %z : tensor<8x6xf32>, tensor<8x6xf32>
  }
}

// -----

// What an activation reads starts at a multiple of 16 bytes: a part that may start elsewhere is copied, by callers too, whose
// stacks are copied before the loop.
module {
  // CHECK-LABEL: func.func private @product(
  // CHECK-SAME: %[[DY:[^:]*]]: memref<2x4xbf16>, %[[W:[^:]*]]: memref<4x8xbf16>, %[[Z:[^:]*]]: memref<2x8xbf16>,
  func.func private @product(%dy: tensor<2x4xbf16>, %w: tensor<4x8xbf16>, %z: tensor<2x8xbf16>) -> tensor<2x8xbf16> {
    // CHECK-NEXT: rt.gemm %[[DY]], %[[W]], %{{.*}} aux %[[Z]] as gelu_grad {
    %dz = colo.einsum "bo,oi->bi", %dy, %w aux %z as gelu_grad : tensor<2x4xbf16>, tensor<4x8xbf16> aux tensor<2x8xbf16> -> tensor<2x8xbf16>
    return %dz : tensor<2x8xbf16>
  }
  // CHECK-LABEL: func.func private @layer(
  func.func private @layer(%dy: tensor<2x4xbf16>, %w: tensor<4x8xbf16>, %z: tensor<2x8xbf16>) -> (tensor<2x4xbf16>, tensor<2x8xbf16>) {
    %dz = colo.einsum "bo,oi->bi", %dy, %w aux %z as gelu_grad : tensor<2x4xbf16>, tensor<4x8xbf16> aux tensor<2x8xbf16> -> tensor<2x8xbf16>
    return %dy, %dz : tensor<2x4xbf16>, tensor<2x8xbf16>
  }
  // CHECK-LABEL: func.func @starts(
  // CHECK-SAME: %[[DY:[^:]*]]: memref<2x4xbf16>, %[[W:[^:]*]]: memref<4x8xbf16>, %[[H:[^:]*]]: memref<64xbf16>,
  func.func @starts(%dy: tensor<2x4xbf16>, %w: tensor<4x8xbf16>, %h: tensor<64xbf16>) attributes {colo.role = "entry"} {
    %0 = colo.slice %h {offsets = array<i64: 1>, strides = array<i64: 1>} : tensor<64xbf16> -> tensor<16xbf16>
    %odd = colo.reshape %0 : tensor<16xbf16> -> tensor<2x8xbf16>
    %1 = colo.slice %h {offsets = array<i64: 8>, strides = array<i64: 1>} : tensor<64xbf16> -> tensor<16xbf16>
    %even = colo.reshape %1 : tensor<16xbf16> -> tensor<2x8xbf16>
    %2 = colo.slice %h {offsets = array<i64: 3>, strides = array<i64: 1>} : tensor<64xbf16> -> tensor<48xbf16>
    %stack = colo.reshape %2 : tensor<48xbf16> -> tensor<3x2x8xbf16>
    // CHECK: %[[ODD:.*]] = rt.slot %[[H]] at 1 : memref<64xbf16> to memref<16xbf16>
    // CHECK: %[[COPY:.*]] = rt.slot %{{.*}} at [[AT:[0-9]+]] {{.*}} to memref<16xbf16>
    // CHECK: rt.launch @[[PACK:copy.[0-9]+]](%[[ODD]]) outs(%[[COPY]])
    // CHECK: %[[AUX:.*]] = rt.slot %{{.*}} at [[AT]] {{.*}} to memref<2x8xbf16>
    // CHECK: rt.gemm %[[DY]], %[[W]], %{{.*}} aux %[[AUX]] as gelu_grad {
    %a = colo.einsum "bo,oi->bi", %dy, %w aux %odd as gelu_grad : tensor<2x4xbf16>, tensor<4x8xbf16> aux tensor<2x8xbf16> -> tensor<2x8xbf16>
    // CHECK: %[[EVEN:.*]] = rt.slot %[[H]] at 8 : memref<64xbf16> to memref<2x8xbf16>
    // CHECK: rt.gemm %[[DY]], %[[W]], %{{.*}} aux %[[EVEN]] as gelu_grad {
    %b = colo.einsum "bo,oi->bi", %dy, %w aux %even as gelu_grad : tensor<2x4xbf16>, tensor<4x8xbf16> aux tensor<2x8xbf16> -> tensor<2x8xbf16>
    // CHECK: rt.launch @[[PACK]](%[[ODD]]) outs(
    // CHECK: call @product(
    %c = colo.call @product(%dy, %w, %odd) params [] : (tensor<2x4xbf16>, tensor<4x8xbf16>, tensor<2x8xbf16>) -> tensor<2x8xbf16>
    // CHECK-NOT: rt.launch
    // CHECK: call @product({{.*}}%[[DY]], %[[W]], %[[EVEN]],
    %d = colo.call @product(%dy, %w, %even) params [] : (tensor<2x4xbf16>, tensor<4x8xbf16>, tensor<2x8xbf16>) -> tensor<2x8xbf16>
    // CHECK: %[[STACK:.*]] = rt.slot %[[H]] at 3 : memref<64xbf16> to memref<48xbf16>
    // CHECK: rt.launch @copy.{{[0-9]+}}(%[[STACK]]) outs(
    // CHECK: scf.for
    // CHECK-NOT: rt.launch
    // CHECK: call @layer(
    %e, %f = colo.layers @layer(%dy) invariants(%w) stacked(%stack) params [] {count = 3 : i64} : (tensor<2x4xbf16>) (tensor<4x8xbf16>) (tensor<3x2x8xbf16>) -> (tensor<2x4xbf16>) () (tensor<3x2x8xbf16>)
    return
  }
}

// -----

// What gelu is done to is written where it is returned, as the result lies, or beside it in the workspace.
module {
  // CHECK-LABEL: func.func @arguments
  // CHECK-SAME: %[[X:[^:]*]]: memref<2x4xbf16>, %[[W:[^:]*]]: memref<8x4xbf16>, %[[B:[^:]*]]: memref<8xbf16>, %[[V:[^:]*]]: memref<3x8xbf16>, %[[Z:[^:]*]]: memref<2x8xbf16>, %[[Y:[^:]*]]: memref<2x3xbf16>, %[[D:[^:]*]]: memref<2x8xbf16>,
  func.func @arguments(%x: tensor<2x4xbf16>, %w: tensor<8x4xbf16>, %b: tensor<8xbf16>, %v: tensor<3x8xbf16>)
      -> (tensor<2x8xbf16>, tensor<2x3xbf16>, tensor<2x8xbf16>) attributes {colo.role = "entry"} {
    // CHECK: rt.gemm %[[X]], %[[W]], %[[H:[0-9]+]] bias %[[B]] aux %[[Z]] as gelu {
    // CHECK: rt.gemm %[[H]], %[[V]], %[[Y]] {
    %h, %z = colo.einsum "bi,oi->bo", %x, %w bias %b as gelu : tensor<2x4xbf16>, tensor<8x4xbf16> bias tensor<8xbf16> -> tensor<2x8xbf16> argument tensor<2x8xbf16>
    %y = colo.einsum "bo,io->bi", %h, %v : tensor<2x8xbf16>, tensor<3x8xbf16> -> tensor<2x3xbf16>
    // CHECK: rt.gemm %[[X]], %[[W]], %[[G:[0-9]+]] aux %[[A:[0-9]+]] as gelu {
    // CHECK: rt.gemm %[[Y]], %[[V]], %[[D]] aux %[[A]] as gelu_grad {
    // CHECK: rt.gemm %[[G]], %[[V]],
    %g, %a = colo.einsum "bi,oi->bo", %x, %w as gelu : tensor<2x4xbf16>, tensor<8x4xbf16> -> tensor<2x8xbf16> argument tensor<2x8xbf16>
    %d = colo.einsum "bi,io->bo", %y, %v aux %a as gelu_grad : tensor<2x3xbf16>, tensor<3x8xbf16> aux tensor<2x8xbf16> -> tensor<2x8xbf16>
    %u = colo.einsum "bo,io->bi", %g, %v : tensor<2x8xbf16>, tensor<3x8xbf16> -> tensor<2x3xbf16>
    return %z, %y, %d : tensor<2x8xbf16>, tensor<2x3xbf16>, tensor<2x8xbf16>
  }
}

// -----

// So it is where the rows of the operand lie in another order: the product is a batch then, which nothing is copied for.
module {
  // CHECK-LABEL: func.func @argumentOfABatch
  // CHECK-SAME: memref<4x2x6xbf16>, %[[W:[^:]*]]: memref<8x6xbf16>, %[[H:[^:]*]]: memref<2x4x8xbf16>, %[[Z:[^:]*]]: memref<2x4x8xbf16>,
  func.func @argumentOfABatch(%x: tensor<4x2x6xbf16>, %w: tensor<8x6xbf16>) -> (tensor<2x4x8xbf16>, tensor<2x4x8xbf16>) attributes {colo.role = "entry"} {
    // CHECK-NOT: rt.launch
    // CHECK: rt.gemm %{{.*}}, %[[W]], %[[H]] aux %[[Z]] as gelu {{{.*}} batch = array<i64: 2>, c = array<i64: 8, 1>, c_batch = array<i64: 32>,
    // CHECK-NOT: rt.launch
    // CHECK: return
    %t = colo.transpose %x {permutation = array<i64: 1, 0, 2>} : tensor<4x2x6xbf16> -> tensor<2x4x6xbf16>
    %h, %z = colo.einsum "bsi,oi->bso", %t, %w as gelu : tensor<2x4x6xbf16>, tensor<8x6xbf16> -> tensor<2x4x8xbf16> argument tensor<2x4x8xbf16>
    return %h, %z : tensor<2x4x8xbf16>, tensor<2x4x8xbf16>
  }
}

// -----

// An activation comes after a bias that is not along the contiguous dim of a result that is stored in another order.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @biasFirst
  // CHECK-SAME: %[[X:[^:]*]]: memref<4x8xf32>, %[[W:[^:]*]]: memref<2x6x8xf32>, %[[B:[^:]*]]: memref<2x6xf32>,
  func.func @biasFirst(%x: tensor<4x8xf32>, %w: tensor<2x6x8xf32>, %b: tensor<2x6xf32>) -> tensor<4x1x6xf32> attributes {colo.role = "entry"} {
    // CHECK: %[[ALL:.*]] = rt.slot %[[B]] at 0 : memref<2x6xf32> to memref<4x2x6xf32, strided<[0, 6, 1]>>
    // CHECK: %[[H:.*]] = rt.slot {{.*}} to memref<4x2x6xf32, strided<[6, 24, 1]>>
    // CHECK: rt.launch @copy.{{[0-9]+}}(%[[ALL]]) outs(%[[H]])
    // CHECK: rt.gemm %[[X]], %[[W]], %[[H]] as relu {{{.*}}accumulate,
    // CHECK-NOT: rt.launch
    // CHECK: rt.reduce_scatter
    %h = colo.einsum "bi,goi->bgo", %x, %w bias %b as relu : tensor<4x8xf32>, tensor<2x6x8xf32> bias tensor<2x6xf32> -> tensor<4x2x6xf32>
    %s = dist.reduce_scatter sum %h dim 1 over @mesh ["tp"] : tensor<4x2x6xf32> -> tensor<4x1x6xf32>
    return %s : tensor<4x1x6xf32>
  }
}

// -----

// Sums of an operand are m or n of the product and are added to their gradient; an operand of which they are no dim is packed.
module {
  colo.param @w : tensor<6x4xf32> {logical_shape = array<i64: 6, 4>, file_shape = array<i64: 6, 4>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  colo.param @b : tensor<6xf32> {logical_shape = array<i64: 6>, file_shape = array<i64: 6>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>}
  // CHECK-LABEL: func.func @sums
  func.func @sums(%x: tensor<8x4xf32>, %dy: tensor<8x6xf32>, %halves: tensor<8x2x6xf32>, %turned: tensor<4x8xf32>) -> (tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<4x6xf32>, tensor<4xf32>) attributes {colo.role = "entry"} {
    %w = colo.param_ref @w : tensor<6x4xf32>
    %b = colo.param_ref @b : tensor<6xf32>
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %{{.*}} sums %[[S:[^ ]*]] {a = {{.*}}, accumulate, {{.*}}sizes = array<i64: 6, 4, 8>, summed = 0 : i64}
    // CHECK: rt.launch @copy.{{.*}}(%[[S]]) outs(
    %dw, %db = colo.einsum "bo,bi->oi", %dy, %x {summed = 0 : i64} : tensor<8x6xf32>, tensor<8x4xf32> -> tensor<6x4xf32>, tensor<6xf32>
    colo.grad %dw, %w : tensor<6x4xf32>, tensor<6x4xf32>
    colo.grad %db, %b : tensor<6xf32>, tensor<6xf32>
    %t = colo.slice %halves {offsets = array<i64: 0, 0, 0>, strides = array<i64: 1, 1, 1>} : tensor<8x2x6xf32> -> tensor<8x2x3xf32>
    // CHECK: rt.launch @copy
    // CHECK: rt.gemm {{.*}} sums %{{.*}}{a = array<i64: 1, 6>, {{.*}}sizes = array<i64: 6, 4, 8>, summed = 0 : i64}
    %dv, %sums = colo.einsum "bgo,bi->goi", %t, %x {summed = 0 : i64} : tensor<8x2x3xf32>, tensor<8x4xf32> -> tensor<2x3x4xf32>, tensor<2x3xf32>
    // Along its sums an operand is contiguous, or is packed so.
    // CHECK: rt.launch @copy
    // CHECK: rt.gemm {{.*}} sums %{{.*}}{a = array<i64: 1, 4>, {{.*}}sizes = array<i64: 4, 6, 8>, summed = 0 : i64}
    %dz, %rest = colo.einsum "ob,bi->oi", %turned, %dy {summed = 0 : i64} : tensor<4x8xf32>, tensor<8x6xf32> -> tensor<4x6xf32>, tensor<4xf32>
    return %dv, %sums, %dz, %rest : tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<4x6xf32>, tensor<4xf32>
  }
}

// -----

// A sum over ranks takes the place of its terms; where something else reads these it has a place of its own.
module {
  dist.mesh @mesh <["tp"=2]>
  // CHECK-LABEL: func.func @sums
  func.func @sums(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) attributes {colo.role = "entry"} {
    // CHECK: rt.gemm %{{.*}}, %{{.*}}, %[[A:[0-9]+]] {
    // CHECK: rt.all_reduce %[[A]], %[[A]] over ["tp"]
    %a = colo.einsum "bi,oi->bo", %x, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %b = dist.all_reduce sum %a over @mesh ["tp"] : (tensor<4x8xf32>) -> tensor<4x8xf32>
    // CHECK: rt.gemm %[[A]], %{{.*}}, %[[C:[0-9]+]] {
    // CHECK: rt.all_reduce %[[C]], %[[D:[0-9]+]] over ["tp"]
    // CHECK: rt.gemm %[[C]], %[[D]]
    %c = colo.einsum "bi,oi->bo", %b, %w : tensor<4x8xf32>, tensor<8x8xf32> -> tensor<4x8xf32>
    %d = dist.all_reduce sum %c over @mesh ["tp"] : (tensor<4x8xf32>) -> tensor<4x8xf32>
    %e = colo.einsum "bi,ci->bc", %c, %d : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x4xf32>
    // An argument is its caller's.
    // CHECK: rt.all_reduce %arg{{[0-9]+}}, %{{[0-9]+}} over ["tp"]
    %f = dist.all_reduce sum %x over @mesh ["tp"] : (tensor<4x8xf32>) -> tensor<4x8xf32>
    return
  }
}
