// RUN: colo-opt %s --fuse-epilogues=epilogues=bias,plus,sums,gelu_grad,gelu,relu | FileCheck %s
// RUN: colo-opt %s --fuse-epilogues=epilogues=bias | FileCheck %s --check-prefix=BIAS
// RUN: colo-opt %s --fuse-epilogues | FileCheck %s --check-prefix=NONE --implicit-check-not="{{ bias| plus| aux| as |summed}}"

// A linear layer and its residual are one product; what a target lacks stays a sum.
// CHECK-LABEL: func.func @residual(
// CHECK-NEXT:  %[[Y:.*]] = colo.einsum "abc,dc->abd", %arg0, %arg1 bias %arg2 plus %arg3 : tensor<2x8x4xf32>, tensor<6x4xf32> bias tensor<6xf32> plus tensor<2x8x6xf32> -> tensor<2x8x6xf32>
// CHECK-NEXT:  return %[[Y]]
// BIAS-LABEL: func.func @residual(
// BIAS-NEXT:  %[[Y:.*]] = colo.einsum {{.*}} bias %arg2 :
// BIAS-NEXT:  colo.add %arg3, %[[Y]]
// NONE-LABEL: func.func @residual(
// NONE-COUNT-2: colo.add
func.func @residual(%x: tensor<2x8x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>, %r: tensor<2x8x6xf32>) -> tensor<2x8x6xf32> {
  %y = colo.einsum "abc,dc->abd", %x, %w : tensor<2x8x4xf32>, tensor<6x4xf32> -> tensor<2x8x6xf32>
  %bb = colo.broadcast %b {dims = array<i64: 2>} : tensor<6xf32> -> tensor<2x8x6xf32>
  %z = colo.add %y, %bb : tensor<2x8x6xf32>
  %s = colo.add %r, %z : tensor<2x8x6xf32>
  return %s : tensor<2x8x6xf32>
}

// The bias of several dims that one operand brings together.
// CHECK-LABEL: func.func @heads(
// CHECK-NEXT:  colo.einsum "abc,defc->abdef", %arg0, %arg1 bias %arg2 :
// CHECK-NEXT:  return
func.func @heads(%x: tensor<2x8x4xbf16>, %w: tensor<3x2x5x4xbf16>, %b: tensor<3x2x5xbf16>) -> tensor<2x8x3x2x5xbf16> {
  %y = colo.einsum "abc,defc->abdef", %x, %w : tensor<2x8x4xbf16>, tensor<3x2x5x4xbf16> -> tensor<2x8x3x2x5xbf16>
  %bb = colo.broadcast %b {dims = array<i64: 2, 3, 4>} : tensor<3x2x5xbf16> -> tensor<2x8x3x2x5xbf16>
  %z = colo.add %bb, %y : tensor<2x8x3x2x5xbf16>
  return %z : tensor<2x8x3x2x5xbf16>
}

// A vector along other dims, or along a part of those that are contiguous in the result, stays a sum.
// CHECK-LABEL: func.func @otherDims(
// CHECK:       colo.add
// CHECK:       colo.add
func.func @otherDims(%x: tensor<8x4xf32>, %w: tensor<2x6x4xf32>, %rows: tensor<8xf32>, %part: tensor<6xf32>)
    -> (tensor<8x2x6xf32>, tensor<8x2x6xf32>) {
  %y = colo.einsum "bi,goi->bgo", %x, %w : tensor<8x4xf32>, tensor<2x6x4xf32> -> tensor<8x2x6xf32>
  %r = colo.broadcast %rows {dims = array<i64: 0>} : tensor<8xf32> -> tensor<8x2x6xf32>
  %u = colo.add %y, %r : tensor<8x2x6xf32>
  %z = colo.einsum "bi,goi->bgo", %x, %w : tensor<8x4xf32>, tensor<2x6x4xf32> -> tensor<8x2x6xf32>
  %p = colo.broadcast %part {dims = array<i64: 2>} : tensor<6xf32> -> tensor<8x2x6xf32>
  %v = colo.add %z, %p : tensor<8x2x6xf32>
  return %u, %v : tensor<8x2x6xf32>, tensor<8x2x6xf32>
}

// What something else reads is written as it is.
// CHECK-LABEL: func.func @readTwice(
// CHECK-NEXT:  %[[Y:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 :
// CHECK:       colo.add %[[Y]]
func.func @readTwice(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>) -> (tensor<8x6xf32>, tensor<8x6xf32>) {
  %y = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %bb = colo.broadcast %b {dims = array<i64: 1>} : tensor<6xf32> -> tensor<8x6xf32>
  %z = colo.add %y, %bb : tensor<8x6xf32>
  return %y, %z : tensor<8x6xf32>, tensor<8x6xf32>
}

// Of two products the later one adds the other.
// CHECK-LABEL: func.func @twoProducts(
// CHECK-NEXT:  %[[Y:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 :
// CHECK-NEXT:  %[[Z:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg2 plus %[[Y]] :
// CHECK-NEXT:  return %[[Z]]
func.func @twoProducts(%x: tensor<8x4xf32>, %v: tensor<6x4xf32>, %w: tensor<6x4xf32>) -> tensor<8x6xf32> {
  %y = colo.einsum "bi,oi->bo", %x, %v : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %z = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %s = colo.add %y, %z : tensor<8x6xf32>
  return %s : tensor<8x6xf32>
}

// A value that only kernels read is not written for a product; one that is written anyway is added, once it is there.
// CHECK-LABEL: func.func @computed(
// CHECK:       colo.add %{{.*}}, %{{.*}} : tensor<8x6xf32>
// CHECK:       %[[E:.*]] = colo.exp
// CHECK-NEXT:  colo.einsum {{.*}} plus %[[E]] :
func.func @computed(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %u: tensor<8x6xf32>) -> (tensor<8x6xf32>, tensor<8x6xf32>, tensor<8x6xf32>) {
  %y = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %t = colo.tanh %u : tensor<8x6xf32>
  %s = colo.add %y, %t : tensor<8x6xf32>
  %z = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %e = colo.exp %u : tensor<8x6xf32>
  %v = colo.add %z, %e : tensor<8x6xf32>
  return %s, %v, %e : tensor<8x6xf32>, tensor<8x6xf32>, tensor<8x6xf32>
}

// The gradient of a bias is made by the product of the weight's gradient, behind which it then leaves.
// CHECK-LABEL: func.func @gradients(
// CHECK-NEXT:  %[[DX:.*]] = colo.einsum "abd,dc->abc", %arg0, %arg1 :
// CHECK-NEXT:  %[[DW:.*]], %[[DB:.*]] = colo.einsum "abd,abc->dc", %arg0, %arg2 {summed = 0 : i64} : {{.*}} -> tensor<6x4xf32>, tensor<6xf32>
// CHECK-NEXT:  colo.grad %[[DB]], %arg3
// CHECK-NEXT:  colo.grad %[[DW]], %arg1
// BIAS-LABEL: func.func @gradients(
// BIAS-NEXT:  colo.reduce
func.func @gradients(%dy: tensor<2x8x6xbf16>, %w: tensor<6x4xbf16>, %x: tensor<2x8x4xbf16>, %b: tensor<6xbf16>) -> tensor<2x8x4xbf16> {
  %db = colo.reduce %dy {kind = 0 : i32, dims = array<i64: 0, 1>} : tensor<2x8x6xbf16> -> tensor<6xf32>
  colo.grad %db, %b : tensor<6xf32>, tensor<6xbf16>
  %dx = colo.einsum "abd,dc->abc", %dy, %w : tensor<2x8x6xbf16>, tensor<6x4xbf16> -> tensor<2x8x4xbf16>
  %dw = colo.einsum "abd,abc->dc", %dy, %x : tensor<2x8x6xbf16>, tensor<2x8x4xbf16> -> tensor<6x4xf32>
  colo.grad %dw, %w : tensor<6x4xf32>, tensor<6x4xbf16>
  return %dx : tensor<2x8x4xbf16>
}

// The tanh form's gradient, in 16 bits, in rows of eight elements, is done by the product of what it reads.
// CHECK-LABEL: func.func @activations(
// CHECK-NEXT:  colo.einsum "bo,oi->bi", %arg0, %arg1 aux %arg2 as gelu_grad : tensor<8x6xbf16>, tensor<6x16xbf16> aux tensor<8x16xbf16> -> tensor<8x16xbf16>
// CHECK-NEXT:  colo.einsum "bo,oi->bi", %arg0, %arg1 :
// CHECK-NEXT:  colo.gelu_grad
// CHECK:       colo.einsum "bo,oi->bi", %arg3, %arg4 :
// CHECK-NEXT:  colo.gelu_grad
func.func @activations(%dy: tensor<8x6xbf16>, %w: tensor<6x16xbf16>, %z: tensor<8x16xbf16>, %dv: tensor<8x6xf32>, %v: tensor<6x16xf32>, %u: tensor<8x16xf32>)
    -> (tensor<8x16xbf16>, tensor<8x16xbf16>, tensor<8x16xf32>) {
  %dh = colo.einsum "bo,oi->bi", %dy, %w : tensor<8x6xbf16>, tensor<6x16xbf16> -> tensor<8x16xbf16>
  %dz = colo.gelu_grad %z, %dh {tanh} : tensor<8x16xbf16>
  %erf = colo.einsum "bo,oi->bi", %dy, %w : tensor<8x6xbf16>, tensor<6x16xbf16> -> tensor<8x16xbf16>
  %derf = colo.gelu_grad %z, %erf : tensor<8x16xbf16>
  %wide = colo.einsum "bo,oi->bi", %dv, %v : tensor<8x6xf32>, tensor<6x16xf32> -> tensor<8x16xf32>
  %dwide = colo.gelu_grad %u, %wide {tanh} : tensor<8x16xf32>
  return %dz, %derf, %dwide : tensor<8x16xbf16>, tensor<8x16xbf16>, tensor<8x16xf32>
}

// Of a single row libraries are not told how far apart rows of what the activation reads are.
// CHECK-LABEL: func.func @activationOfARow(
// CHECK-NEXT:  colo.einsum "bo,oi->bi", %arg0, %arg1 :
// CHECK-NEXT:  colo.gelu_grad
func.func @activationOfARow(%dy: tensor<1x6xbf16>, %w: tensor<6x16xbf16>, %z: tensor<1x16xbf16>) -> tensor<1x16xbf16> {
  %dh = colo.einsum "bo,oi->bi", %dy, %w : tensor<1x6xbf16>, tensor<6x16xbf16> -> tensor<1x16xbf16>
  %dz = colo.gelu_grad %z, %dh {tanh} : tensor<1x16xbf16>
  return %dz : tensor<1x16xbf16>
}

// Gelu's tanh form is done by the product, which writes the argument, too, where something else reads it, as the gradient does.
// CHECK-LABEL: func.func @gelu(
// CHECK-NEXT:  %[[H:.*]], %[[Z:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 bias %arg2 as gelu : {{.*}} -> tensor<8x16xbf16> argument tensor<8x16xbf16>
// CHECK-NEXT:  %[[Y:.*]] = colo.einsum "bo,io->bi", %[[H]], %arg3 :
// CHECK-NEXT:  %[[DZ:.*]] = colo.einsum "bi,io->bo", %arg4, %arg3 aux %[[Z]] as gelu_grad :
// CHECK-NEXT:  return %[[Y]], %[[DZ]]
// BIAS-LABEL: func.func @gelu(
// BIAS-NEXT:  colo.einsum {{.*}} bias %arg2 : {{.*}} -> tensor<8x16xbf16>
// BIAS-NEXT:  colo.gelu
func.func @gelu(%x: tensor<8x6xbf16>, %w: tensor<16x6xbf16>, %b: tensor<16xbf16>, %v: tensor<6x16xbf16>, %dy: tensor<8x6xbf16>)
    -> (tensor<8x6xbf16>, tensor<8x16xbf16>) {
  %p = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xbf16>, tensor<16x6xbf16> -> tensor<8x16xbf16>
  %bb = colo.broadcast %b {dims = array<i64: 1>} : tensor<16xbf16> -> tensor<8x16xbf16>
  %z = colo.add %p, %bb : tensor<8x16xbf16>
  %h = colo.gelu %z {tanh} : tensor<8x16xbf16>
  %y = colo.einsum "bo,io->bi", %h, %v : tensor<8x16xbf16>, tensor<6x16xbf16> -> tensor<8x6xbf16>
  %dh = colo.einsum "bi,io->bo", %dy, %v : tensor<8x6xbf16>, tensor<6x16xbf16> -> tensor<8x16xbf16>
  %dz = colo.gelu_grad %z, %dh {tanh} : tensor<8x16xbf16>
  return %y, %dz : tensor<8x6xbf16>, tensor<8x16xbf16>
}

// Where nothing else reads the argument it is not written, and rows may have any length.
// CHECK-LABEL: func.func @geluAlone(
// CHECK-NEXT:  %[[H:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 plus %arg2 as gelu : {{.*}} -> tensor<8x15xf16>{{$}}
// CHECK-NEXT:  %[[V:.*]] = colo.reshape %[[H]]
// CHECK-NEXT:  return %[[V]]
func.func @geluAlone(%x: tensor<8x6xf16>, %w: tensor<15x6xf16>, %r: tensor<8x15xf16>) -> tensor<120xf16> {
  %p = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xf16>, tensor<15x6xf16> -> tensor<8x15xf16>
  %s = colo.add %p, %r : tensor<8x15xf16>
  %h = colo.gelu %s {tanh} : tensor<8x15xf16>
  %v = colo.reshape %h : tensor<8x15xf16> -> tensor<120xf16>
  return %v : tensor<120xf16>
}

// Not in f32, nor its other form, nor where only kernels read the result, which need not be written then.
// CHECK-LABEL: func.func @otherGelus(
// CHECK-NOT:   as gelu
// CHECK:       return
func.func @otherGelus(%x: tensor<8x6xbf16>, %w: tensor<16x6xbf16>, %u: tensor<8x6xf32>, %v: tensor<16x6xf32>, %g: tensor<8x16xbf16>)
    -> (tensor<8x16xbf16>, tensor<8x16xf32>, tensor<8x16xbf16>) {
  %a = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xbf16>, tensor<16x6xbf16> -> tensor<8x16xbf16>
  %erf = colo.gelu %a : tensor<8x16xbf16>
  %b = colo.einsum "bi,oi->bo", %u, %v : tensor<8x6xf32>, tensor<16x6xf32> -> tensor<8x16xf32>
  %wide = colo.gelu %b {tanh} : tensor<8x16xf32>
  %c = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xbf16>, tensor<16x6xbf16> -> tensor<8x16xbf16>
  %h = colo.gelu %c {tanh} : tensor<8x16xbf16>
  %gated = colo.mul %h, %g : tensor<8x16xbf16>
  return %erf, %wide, %gated : tensor<8x16xbf16>, tensor<8x16xf32>, tensor<8x16xbf16>
}

// Libraries do not write an argument in rows that are not whole groups of eight, of a single row, or of products between whose rows
// are another's; they do of a batch.
// CHECK-LABEL: func.func @argumentsThatLieOtherwise(
// CHECK-NOT:   as gelu
// CHECK:       colo.einsum "nbi,noi->nbo", %arg2, %arg3 as gelu : {{.*}} argument tensor<2x8x16xbf16>
// CHECK-NOT:   as gelu
// CHECK:       return
func.func @argumentsThatLieOtherwise(%x: tensor<8x6xbf16>, %w: tensor<12x6xbf16>, %u: tensor<2x8x6xbf16>, %v: tensor<2x16x6xbf16>, %row: tensor<1x6xbf16>, %m: tensor<16x6xbf16>)
    -> (tensor<8x12xbf16>, tensor<8x12xbf16>, tensor<2x8x16xbf16>, tensor<2x8x16xbf16>, tensor<1x16xbf16>, tensor<1x16xbf16>, tensor<8x2x16xbf16>, tensor<8x2x16xbf16>) {
  %a = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xbf16>, tensor<12x6xbf16> -> tensor<8x12xbf16>
  %g = colo.gelu %a {tanh} : tensor<8x12xbf16>
  %b = colo.einsum "nbi,noi->nbo", %u, %v : tensor<2x8x6xbf16>, tensor<2x16x6xbf16> -> tensor<2x8x16xbf16>
  %h = colo.gelu %b {tanh} : tensor<2x8x16xbf16>
  %c = colo.einsum "bi,oi->bo", %row, %m : tensor<1x6xbf16>, tensor<16x6xbf16> -> tensor<1x16xbf16>
  %i = colo.gelu %c {tanh} : tensor<1x16xbf16>
  %d = colo.einsum "nbi,noi->bno", %u, %v : tensor<2x8x6xbf16>, tensor<2x16x6xbf16> -> tensor<8x2x16xbf16>
  %j = colo.gelu %d {tanh} : tensor<8x2x16xbf16>
  return %a, %g, %b, %h, %c, %i, %d, %j : tensor<8x12xbf16>, tensor<8x12xbf16>, tensor<2x8x16xbf16>, tensor<2x8x16xbf16>, tensor<1x16xbf16>, tensor<1x16xbf16>, tensor<8x2x16xbf16>, tensor<8x2x16xbf16>
}

// Relu is exact, so in every type; its gradient reads the result. Of relu libraries keep no argument.
// CHECK-LABEL: func.func @relu(
// CHECK-NEXT:  %[[H:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 bias %arg2 as relu : {{.*}} -> tensor<8x5xf32>{{$}}
// CHECK-NEXT:  colo.einsum "bo,io->bi", %[[H]], %arg3 :
// CHECK-NEXT:  %[[DH:.*]] = colo.einsum
// CHECK-NEXT:  %[[ZERO:.*]] = colo.constant
// CHECK-NEXT:  %[[MASK:.*]] = colo.compare gt, %[[H]], %[[ZERO]]
// CHECK-NEXT:  colo.select %[[MASK]], %[[DH]], %[[ZERO]]
// CHECK-NEXT:  colo.einsum "bi,oi->bo", %arg5, %arg6 as relu : {{.*}} -> tensor<8x5xf64>{{$}}
// CHECK-NEXT:  %[[KEPT:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 :
// CHECK-NEXT:  colo.relu %[[KEPT]]
// CHECK-NEXT:  return
func.func @relu(%x: tensor<8x6xf32>, %w: tensor<5x6xf32>, %b: tensor<5xf32>, %v: tensor<6x5xf32>, %dy: tensor<8x6xf32>, %u: tensor<8x6xf64>, %m: tensor<5x6xf64>)
    -> (tensor<8x6xf32>, tensor<8x5xf32>, tensor<8x5xf64>, tensor<8x5xf32>, tensor<8x5xf32>) {
  %p = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xf32>, tensor<5x6xf32> -> tensor<8x5xf32>
  %bb = colo.broadcast %b {dims = array<i64: 1>} : tensor<5xf32> -> tensor<8x5xf32>
  %z = colo.add %p, %bb : tensor<8x5xf32>
  %h = colo.relu %z : tensor<8x5xf32>
  %y = colo.einsum "bo,io->bi", %h, %v : tensor<8x5xf32>, tensor<6x5xf32> -> tensor<8x6xf32>
  %dh = colo.einsum "bi,io->bo", %dy, %v : tensor<8x6xf32>, tensor<6x5xf32> -> tensor<8x5xf32>
  %zero = colo.constant 0.0 : tensor<8x5xf32>
  %mask = colo.compare gt, %h, %zero : tensor<8x5xf32>, tensor<8x5xf32> -> tensor<8x5xi1>
  %dz = colo.select %mask, %dh, %zero : tensor<8x5xi1>, tensor<8x5xf32>, tensor<8x5xf32> -> tensor<8x5xf32>
  %wide = colo.einsum "bi,oi->bo", %u, %m : tensor<8x6xf64>, tensor<5x6xf64> -> tensor<8x5xf64>
  %cut = colo.relu %wide : tensor<8x5xf64>
  %kept = colo.einsum "bi,oi->bo", %x, %w : tensor<8x6xf32>, tensor<5x6xf32> -> tensor<8x5xf32>
  %both = colo.relu %kept : tensor<8x5xf32>
  return %y, %dz, %cut, %kept, %both : tensor<8x6xf32>, tensor<8x5xf32>, tensor<8x5xf64>, tensor<8x5xf32>, tensor<8x5xf32>
}

// A sum over other dims, a maximum, a sum that is needed before the product, and of an operand whose last dim is contracted stay kernels.
// CHECK-LABEL: func.func @otherSums(
// CHECK-COUNT-4: colo.reduce
func.func @otherSums(%dy: tensor<8x6xf32>, %x: tensor<8x4xf32>, %d: tensor<6x8xf32>, %z: tensor<8x4xf32>)
    -> (tensor<8xf32>, tensor<6xf32>, tensor<6x4xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6x4xf32>) {
  %rows = colo.reduce %dy {kind = 0 : i32, dims = array<i64: 1>} : tensor<8x6xf32> -> tensor<8xf32>
  %most = colo.reduce %dy {kind = 1 : i32, dims = array<i64: 0>} : tensor<8x6xf32> -> tensor<6xf32>
  %early = colo.reduce %dy {kind = 0 : i32, dims = array<i64: 0>} : tensor<8x6xf32> -> tensor<6xf32>
  %e = colo.exp %early : tensor<6xf32>
  %dw = colo.einsum "bo,bi->oi", %dy, %x : tensor<8x6xf32>, tensor<8x4xf32> -> tensor<6x4xf32>
  %turned = colo.reduce %d {kind = 0 : i32, dims = array<i64: 1>} : tensor<6x8xf32> -> tensor<6xf32>
  %dv = colo.einsum "ob,bi->oi", %d, %z : tensor<6x8xf32>, tensor<8x4xf32> -> tensor<6x4xf32>
  return %rows, %most, %dw, %e, %turned, %dv : tensor<8xf32>, tensor<6xf32>, tensor<6x4xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6x4xf32>
}

dist.mesh @mesh <["tp"=2]>

// Partial sums are summed over ranks before a bias is added to them, and a product does not wait for a collective.
// CHECK-LABEL: func.func @partialSums(
// CHECK-NEXT:  %[[Y:.*]] = colo.einsum "bi,oi->bo", %arg0, %arg1 :
// CHECK-NEXT:  %[[SUM:.*]] = dist.all_reduce sum %[[Y]]
// CHECK:       %[[S:.*]] = colo.add %[[SUM]]
// CHECK:       colo.einsum "bi,oi->bo", %arg0, %arg1 :
func.func @partialSums(%x: tensor<8x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>) -> (tensor<8x6xf32>, tensor<8x6xf32>) {
  %y = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %sum = dist.all_reduce sum %y over @mesh ["tp"] : (tensor<8x6xf32>) -> tensor<8x6xf32>
  %bb = colo.broadcast %b {dims = array<i64: 1>} : tensor<6xf32> -> tensor<8x6xf32>
  %s = colo.add %sum, %bb : tensor<8x6xf32>
  %z = colo.einsum "bi,oi->bo", %x, %w : tensor<8x4xf32>, tensor<6x4xf32> -> tensor<8x6xf32>
  %v = colo.add %z, %sum : tensor<8x6xf32>
  return %s, %v : tensor<8x6xf32>, tensor<8x6xf32>
}
