// RUN: colo-opt %s -dist-expand-summa -split-input-file | FileCheck %s
// RUN: colo-opt %s -dist-expand-summa=algorithm=reference -split-input-file | FileCheck %s --check-prefix=REF
// What comes out computes the same, the local form aside, which dist-verify does not know.
// RUN: sed '/The local form/,$d' %s | colo-opt -dist-expand-summa -split-input-file -dist-verify

// AB: both operands travel; the products add up in place.
#x = #dist.shard<@mesh, [{"row"}, {"col"}]>
#rows = #dist.shard<@mesh, [{"row"}, {}]>
#cols = #dist.shard<@mesh, [{}, {"col"}]>
// CHECK-LABEL: @ab
// REF-LABEL: @ab
func.func @ab(%x: tensor<4x6xf32, #x>, %w: tensor<6x8xf32, #x>) -> tensor<4x8xf32, #x> {
  // CHECK-NOT: all_gather
  // CHECK: %[[X0:.*]] = dist.broadcast %arg0 dim 1 root 0 over @mesh ["col"] : {{.*}} -> tensor<4x3xf32, #s_row_x_>
  // CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0 over @mesh ["row"] : {{.*}} -> tensor<3x8xf32, #s_x_col_>
  // CHECK: %[[Y0:.*]] = colo.einsum "mk,kn->mn", %[[X0]], %[[W0]] :
  // CHECK: %[[X1:.*]] = dist.broadcast %arg0 dim 1 root 1
  // CHECK: %[[W1:.*]] = dist.broadcast %arg1 dim 0 root 1
  // CHECK: %[[Y:.*]] = colo.einsum "mk,kn->mn", %[[X1]], %[[W1]] into %[[Y0]] :
  // CHECK: return %[[Y]]
  // REF-COUNT-2: dist.all_gather
  // REF: colo.einsum "mk,kn->mn", %{{.*}}, %{{.*}} : tensor
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<4x6xf32, #x> -> tensor<4x6xf32, #rows>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<6x8xf32, #x> -> tensor<6x8xf32, #cols>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<4x6xf32, #rows>, tensor<6x8xf32, #cols> -> tensor<4x8xf32, #x>
  return %y : tensor<4x8xf32, #x>
}
dist.mesh @mesh <["row"=2, "col"=2]>

// -----

// ABt: the weight travels, parts of the result are reduced to their owners.
#x = #dist.shard<@mesh, [{"row"}, {"col"}]>
#cols = #dist.shard<@mesh, [{}, {"col"}]>
#sum = #dist.shard<@mesh, [{"row"}, {}], partial = sum{"col"}>
// CHECK-LABEL: @abt
func.func @abt(%dy: tensor<4x8xf32, #x>, %w: tensor<6x8xf32, #x>) -> tensor<4x6xf32, #x> {
  // CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0 over @mesh ["row"]
  // CHECK: %[[P0:.*]] = colo.einsum "mn,kn->mk", %arg0, %[[W0]] : {{.*}} -> tensor<4x3xf32, #s_row_x_sum_col_>
  // CHECK: %[[R0:.*]] = dist.reduce sum %[[P0]] dim 1 root 0 over @mesh ["col"]
  // CHECK: %[[W1:.*]] = dist.broadcast %arg1 dim 0 root 1 over @mesh ["row"]
  // CHECK: %[[P1:.*]] = colo.einsum "mn,kn->mk", %arg0, %[[W1]] :
  // CHECK: %[[R1:.*]] = dist.reduce sum %[[P1]] into %[[R0]] dim 1 root 1 over @mesh ["col"]
  // CHECK: return %[[R1]]
  %0 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<6x8xf32, #x> -> tensor<6x8xf32, #cols>
  %1 = colo.einsum "mn,kn->mk", %dy, %0 {dist.algorithm = "summa"} : tensor<4x8xf32, #x>, tensor<6x8xf32, #cols> -> tensor<4x6xf32, #sum>
  %2 = dist.reduce_scatter sum %1 dim 1 over @mesh ["col"] : tensor<4x6xf32, #sum> -> tensor<4x6xf32, #x>
  return %2 : tensor<4x6xf32, #x>
}
dist.mesh @mesh <["row"=2, "col"=2]>

// -----

// AtB with an input that is whole: its parts are slices, nothing travels but the sums. Sums over depth wait.
#dy = #dist.shard<@mesh, [{"dep","row"}, {"col"}]>
#x = #dist.shard<@mesh, [{"dep","row"}, {}]>
#sum = #dist.shard<@mesh, [{}, {"col"}], partial = sum{"dep","row"}>
#w = #dist.shard<@mesh, [{"row"}, {"col"}], partial = sum{"dep"}>
// CHECK-LABEL: @atb
func.func @atb(%x: tensor<8x6xf32, #x>, %dy: tensor<8x4xf32, #dy>) {
  // CHECK: %[[X0:.*]] = colo.slice %arg0 {offsets = array<i64: 0, 0>
  // CHECK: %[[P0:.*]] = colo.einsum "mk,mn->kn", %[[X0]], %arg1 : {{.*}} -> tensor<3x4xf32, #s_x_col_sum_deprow_>
  // CHECK: dist.reduce sum %[[P0]] dim 0 root 0 over @mesh ["row"] : {{.*}} -> tensor<6x4xf32, #s_row_col_sum_dep_>
  // CHECK: %[[X1:.*]] = colo.slice %arg0 {offsets = array<i64: 0, 3>
  // CHECK: dist.reduce sum %{{.*}} into %{{.*}} dim 0 root 1
  %0 = colo.einsum "mk,mn->kn", %x, %dy {dist.algorithm = "summa"} : tensor<8x6xf32, #x>, tensor<8x4xf32, #dy> -> tensor<6x4xf32, #sum>
  %1 = dist.reduce_scatter sum %0 dim 0 over @mesh ["row"] : tensor<6x4xf32, #sum> -> tensor<6x4xf32, #w>
  return
}
dist.mesh @mesh <["dep"=2, "row"=2, "col"=2]>

// -----

// Two products that gather the same value share its broadcasts; what needs the first comes after both. A third that needs
// a result of theirs gets broadcasts of its own, and in the reference a gather of its own.
#x = #dist.shard<@mesh, [{"row"}, {"col"}]>
#rows = #dist.shard<@mesh, [{"row"}, {}]>
#cols = #dist.shard<@mesh, [{}, {"col"}]>
#sum = #dist.shard<@mesh, [{}, {"col"}], partial = sum{"row"}>
// CHECK-LABEL: @shared
// REF-LABEL: @shared
func.func @shared(%d: tensor<4x6xf32, #x>, %w: tensor<6x8xf32, #x>, %x: tensor<4x8xf32, #x>) -> (tensor<4x8xf32, #x>, tensor<6x8xf32, #x>, tensor<6x8xf32, #x>) {
  // CHECK: %[[D0:.*]] = dist.broadcast %arg0 dim 1 root 0
  // CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0
  // CHECK: colo.einsum "mk,kn->mn", %[[D0]], %[[W0]] :
  // CHECK: colo.einsum "mk,mn->kn", %[[D0]], %arg2 :
  // CHECK: dist.reduce {{.*}} root 0
  // CHECK: %[[D1:.*]] = dist.broadcast %arg0 dim 1 root 1
  // CHECK: %[[W1:.*]] = dist.broadcast %arg1 dim 0 root 1
  // CHECK: %[[Y:.*]] = colo.einsum "mk,kn->mn", %[[D1]], %[[W1]] into
  // CHECK: colo.einsum "mk,mn->kn", %[[D1]], %arg2 :
  // CHECK: dist.reduce {{.*}} root 1
  // CHECK: %[[E:.*]] = colo.exp %[[Y]]
  // CHECK: %[[AGAIN:.*]] = dist.broadcast %arg0 dim 1 root 0
  // CHECK: colo.einsum "mk,mn->kn", %[[AGAIN]], %[[E]] :
  // REF: %[[G0:.*]] = dist.all_gather %arg0 dim 1
  // REF: colo.einsum "mk,kn->mn", %[[G0]]
  // REF: colo.einsum "mk,mn->kn", %[[G0]], %arg2
  // REF: %[[G1:.*]] = dist.all_gather %arg0 dim 1
  // REF: colo.einsum "mk,mn->kn", %[[G1]]
  %0 = dist.all_gather %d dim 1 over @mesh ["col"] : tensor<4x6xf32, #x> -> tensor<4x6xf32, #rows>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<6x8xf32, #x> -> tensor<6x8xf32, #cols>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<4x6xf32, #rows>, tensor<6x8xf32, #cols> -> tensor<4x8xf32, #x>
  %e = colo.exp %y : tensor<4x8xf32, #x>
  %2 = colo.einsum "mk,mn->kn", %0, %x {dist.algorithm = "summa"} : tensor<4x6xf32, #rows>, tensor<4x8xf32, #x> -> tensor<6x8xf32, #sum>
  %3 = dist.reduce_scatter sum %2 dim 0 over @mesh ["row"] : tensor<6x8xf32, #sum> -> tensor<6x8xf32, #x>
  %4 = colo.einsum "mk,mn->kn", %0, %e {dist.algorithm = "summa"} : tensor<4x6xf32, #rows>, tensor<4x8xf32, #x> -> tensor<6x8xf32, #sum>
  %5 = dist.reduce_scatter sum %4 dim 0 over @mesh ["row"] : tensor<6x8xf32, #sum> -> tensor<6x8xf32, #x>
  return %e, %3, %5 : tensor<4x8xf32, #x>, tensor<6x8xf32, #x>, tensor<6x8xf32, #x>
}
dist.mesh @mesh <["row"=2, "col"=2]>

// -----

// A product without tag, and a tagged one that nothing travels for, stay.
#x = #dist.shard<@mesh, [{"row"}, {}]>
#w = #dist.shard<@mesh, [{}, {}]>
#cut = #dist.shard<@mesh, [{}, {"row"}]>
// CHECK-LABEL: @stays
func.func @stays(%x: tensor<4x6xf32, #x>, %w: tensor<6x8xf32, #w>, %v: tensor<6x8xf32, #cut>) -> (tensor<4x8xf32, #x>, tensor<4x8xf32, #x>) {
  // CHECK-NEXT: colo.einsum "mk,kn->mn", %arg0, %arg1 : tensor
  // CHECK-NEXT: dist.all_gather
  // CHECK-NEXT: colo.einsum
  %0 = colo.einsum "mk,kn->mn", %x, %w {dist.algorithm = "summa"} : tensor<4x6xf32, #x>, tensor<6x8xf32, #w> -> tensor<4x8xf32, #x>
  %1 = dist.all_gather %v dim 1 over @mesh ["row"] : tensor<6x8xf32, #cut> -> tensor<6x8xf32, #w>
  %2 = colo.einsum "mk,kn->mn", %x, %1 : tensor<4x6xf32, #x>, tensor<6x8xf32, #w> -> tensor<4x8xf32, #x>
  return %0, %2 : tensor<4x8xf32, #x>, tensor<4x8xf32, #x>
}
dist.mesh @mesh <["row"=2]>

// -----

// The local form.
// CHECK-LABEL: @local
func.func @local(%x: tensor<2x3xf32>, %w: tensor<3x4xf32>) -> tensor<2x4xf32> {
  // CHECK: dist.broadcast %arg0 dim 1 root 0 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x3xf32>
  // CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0 over @mesh ["row"] : tensor<3x4xf32> -> tensor<3x4xf32>
  // CHECK: %[[P:.*]] = colo.einsum "mk,kn->mn"
  // CHECK: colo.einsum "mk,kn->mn", %{{.*}}, %{{.*}} into %[[P]] : tensor<2x3xf32>, tensor<3x4xf32>, tensor<2x4xf32>
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x6xf32>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<3x4xf32> -> tensor<6x4xf32>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<2x6xf32>, tensor<6x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
dist.mesh @mesh <["row"=2, "col"=2]>

// -----

// Three rounds or more are a loop between the first and the last: the next round's parts and the previous round's sums travel
// beside the product. Nothing in it depends on how many rounds there are.
// CHECK-LABEL: @loopOfProducts
func.func @loopOfProducts(%x: tensor<2x3xf32>, %w: tensor<3x4xf32>) -> tensor<2x4xf32> {
  // CHECK: %[[X0:.*]] = dist.broadcast %arg0 dim 1 root 0 over
  // CHECK: %[[W0:.*]] = dist.broadcast %arg1 dim 0 root 0 over
  // CHECK: %[[P0:.*]] = colo.einsum "mk,kn->mn", %[[X0]], %[[W0]] :
  // CHECK: %[[X1:.*]] = dist.broadcast %arg0 dim 1 root 1 over
  // CHECK: %[[W1:.*]] = dist.broadcast %arg1 dim 0 root 1 over
  // CHECK: %[[LOOP:.*]]:3 = dist.loop %[[T:.*]] in 6 carrying (%[[SUM:.*]] = %[[P0]] : {{.*}}, %[[XT:.*]] = %[[X1]] : {{.*}}, %[[WT:.*]] = %[[W1]] : {{.*}}) reading (%[[X:.*]] = %arg0 : {{.*}}, %[[W:.*]] = %arg1 : {{.*}}) {
  // CHECK-NEXT: %[[XN:.*]] = dist.broadcast %[[X]] dim 1 root 2 plus %[[T]] over
  // CHECK-NEXT: %[[WN:.*]] = dist.broadcast %[[W]] dim 0 root 2 plus %[[T]] over
  // CHECK-NEXT: %[[NEW:.*]] = colo.einsum "mk,kn->mn", %[[XT]], %[[WT]] into %[[SUM]]
  // CHECK-NEXT: dist.yield %[[NEW]], %[[XN]], %[[WN]]
  // CHECK: %[[Y:.*]] = colo.einsum "mk,kn->mn", %[[LOOP]]#1, %[[LOOP]]#2 into %[[LOOP]]#0
  // CHECK: return %[[Y]]
  %0 = dist.all_gather %x dim 1 over @mesh ["col"] : tensor<2x3xf32> -> tensor<2x24xf32>
  %1 = dist.all_gather %w dim 0 over @mesh ["row"] : tensor<3x4xf32> -> tensor<24x4xf32>
  %y = colo.einsum "mk,kn->mn", %0, %1 {dist.algorithm = "summa"} : tensor<2x24xf32>, tensor<24x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
// The input is whole: the round's part of it is a view.
// CHECK-LABEL: @loopOfReductions
func.func @loopOfReductions(%x: tensor<2x24xf32>, %dy: tensor<2x4xf32>) -> tensor<3x4xf32> {
  // CHECK: %[[X0:.*]] = colo.slice %arg0 {offsets = array<i64: 0, 0>
  // CHECK: %[[P0:.*]] = colo.einsum "mk,mn->kn", %[[X0]], %arg1
  // CHECK: %[[NONE:.*]] = dist.empty
  // CHECK: %[[LOOP:.*]]:2 = dist.loop %[[T:.*]] in 6 carrying (%[[MADE:.*]] = %[[P0]] : {{.*}}, %[[SUM:.*]] = %[[NONE]] : {{.*}}) reading
  // CHECK-NEXT: %[[R:.*]] = dist.reduce sum %[[MADE]] into %[[SUM]] dim 0 root 0 plus %[[T]] over
  // CHECK-NEXT: %[[XT:.*]] = dist.part %{{.*}} dim 1 number 1 plus %[[T]] : tensor<2x24xf32> -> tensor<2x3xf32>
  // CHECK-NEXT: %[[P:.*]] = colo.einsum "mk,mn->kn", %[[XT]]
  // CHECK-NEXT: dist.yield %[[P]], %[[R]]
  // CHECK: %[[R6:.*]] = dist.reduce sum %[[LOOP]]#0 into %[[LOOP]]#1 dim 0 root 6 over
  // CHECK: %[[X7:.*]] = colo.slice %arg0 {offsets = array<i64: 0, 21>
  // CHECK: %[[P7:.*]] = colo.einsum "mk,mn->kn", %[[X7]]
  // CHECK: dist.reduce sum %[[P7]] into %[[R6]] dim 0 root 7 over
  %0 = colo.einsum "mk,mn->kn", %x, %dy {dist.algorithm = "summa"} : tensor<2x24xf32>, tensor<2x4xf32> -> tensor<24x4xf32>
  %1 = dist.reduce_scatter sum %0 dim 0 over @mesh ["row"] : tensor<24x4xf32> -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}
dist.mesh @mesh <["row"=8, "col"=8]>
