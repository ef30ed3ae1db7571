// RUN: colo-opt %s --form-kernels | FileCheck %s --check-prefix=FORM
// RUN: colo-opt %s --form-kernels --plan-buffers --symbol-dce --cse --rt-verify-buffers | FileCheck %s

dist.mesh @mesh <["sp"=4]>

#whole = [{global = 2, padded = 2, axes = []}, {global = 4, padded = 4, axes = []}, {global = 12, padded = 12, axes = []}, {global = 16, padded = 16, axes = []}]

// What a kernel makes in place of an operand is that operand for the launch, and one memory for the kernel: here the function's
// results, from the first attention on, also where rounds go through them. Nothing is copied and the workspace is empty.

// FORM-LABEL: func.func private @turns.k{{[0-9]+}}(%arg0: {{.*}}, %arg1: {{.*}}, %arg2: tensor<2x12x4x8xf32>, %arg3: tensor<2x4x12xf32>)
// FORM-SAME:    rt.in_place = array<i64: 2, 3>
// FORM:         rt.attention forward %arg0, %arg1, %arg1 into %arg2, %arg3
// FORM-LABEL: func.func private @turns(
// FORM:         %[[FIRST:.*]]:2 = rt.launch @{{.*}}(%arg0, %arg1) :
// FORM:         dist.loop {{.*}} carrying (%[[O:.*]] = %[[FIRST]]#0 : {{.*}}, %[[LSE:.*]] = %[[FIRST]]#1 : {{.*}})
// FORM:           rt.launch @{{.*}}(%{{.*}}, %{{.*}}, %[[O]], %[[LSE]]) {in_place = array<i64: 2, 3>}

// CHECK-LABEL: func.func private @turns(%arg0: memref<64xi8>
// CHECK-SAME:    %[[O:[a-z0-9]+]]: memref<2x12x4x8xf32>, %[[LSE:[a-z0-9]+]]: memref<2x4x12xf32>)
// CHECK-NEXT:    rt.launch @{{.*}}(%[[Q:.*]], %[[K:.*]]) outs(%[[O]], %[[LSE]])
// CHECK-NOT:     rt.slot
// CHECK:         scf.for
// CHECK-NEXT:      rt.launch @{{.*}}(%[[Q]], %[[K]]) outs(%[[O]], %[[LSE]])
// CHECK-NEXT:    }
// CHECK-NEXT:    rt.launch @{{.*}}(%[[Q]], %[[K]]) outs(%[[O]], %[[LSE]])
// CHECK-NEXT:    return
func.func private @turns(%q: tensor<2x12x4x8xf32>, %k: tensor<2x16x2x8xf32>) -> (tensor<2x12x4x8xf32>, tensor<2x4x12xf32>) {
  %o, %lse = colo.attention %q, %k, %k {scale = 0.5 : f64, positions = #whole}
    : tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32> -> tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
  %more:2 = dist.loop %round in 3 carrying (%o0 = %o : tensor<2x12x4x8xf32>, %l0 = %lse : tensor<2x4x12xf32>)
      reading (%q0 = %q : tensor<2x12x4x8xf32>, %k0 = %k : tensor<2x16x2x8xf32>) {
    %o1, %l1 = colo.attention %q0, %k0, %k0 into %o0, %l0 : tensor<2x12x4x8xf32>, tensor<2x4x12xf32> {scale = 0.5 : f64, positions = #whole}
      : tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32> -> tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
    dist.yield %o1, %l1 : tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
  } : tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
  %o2, %l2 = colo.attention %q, %k, %k into %more#0, %more#1 : tensor<2x12x4x8xf32>, tensor<2x4x12xf32> {scale = 0.5 : f64, positions = #whole}
    : tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32> -> tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
  return %o2, %l2 : tensor<2x12x4x8xf32>, tensor<2x4x12xf32>
}

// Both gradients of a message that arrives are added to where it is, and it is sent on from there: a round has two places for what it
// sends and what it gets, which change, and no third.

// CHECK-LABEL: func.func private @message(
// CHECK:         scf.for
// CHECK-NOT:       rt.launch
// CHECK:           rt.permute %{{.*}}, %[[GOT:[a-z0-9]+]]
// CHECK:           rt.launch @{{.*}} outs(%{{.*}}, %{{.*}}) {{.*}} outs memref<2x16x2x8xf32>, memref<2x16x2x8xf32>
// CHECK-NOT:       rt.launch
// CHECK:         }
func.func private @message(%q: tensor<2x12x4x8xf32>, %k: tensor<2x16x2x8xf32>, %l: tensor<2x4x12xf32>, %s: tensor<2x2x16x2x8xf32>)
    -> tensor<2x2x16x2x8xf32> {
  %r = dist.loop %round in 3 carrying (%s0 = %s : tensor<2x2x16x2x8xf32>)
      reading (%q0 = %q : tensor<2x12x4x8xf32>, %k0 = %k : tensor<2x16x2x8xf32>, %l0 = %l : tensor<2x4x12xf32>) {
    %got = dist.permute %s0 from [3, 0, 1, 2] over @mesh ["sp"] : tensor<2x2x16x2x8xf32> -> tensor<2x2x16x2x8xf32>
    %0 = colo.slice %got {offsets = array<i64: 0, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x2x16x2x8xf32> -> tensor<1x2x16x2x8xf32>
    %1 = colo.reshape %0 : tensor<1x2x16x2x8xf32> -> tensor<2x16x2x8xf32>
    %2 = colo.slice %got {offsets = array<i64: 1, 0, 0, 0, 0>, strides = array<i64: 1, 1, 1, 1, 1>} : tensor<2x2x16x2x8xf32> -> tensor<1x2x16x2x8xf32>
    %3 = colo.reshape %2 : tensor<1x2x16x2x8xf32> -> tensor<2x16x2x8xf32>
    %dq, %dk, %dv = colo.attention_grad %q0, %k0, %k0, %l0, %q0 delta %l0 dkey %1 dvalue %3 {scale = 0.5 : f64, positions = #whole}
      : (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>, tensor<2x4x12xf32>, tensor<2x12x4x8xf32>, tensor<2x4x12xf32>,
         tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>) -> (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>)
    %sum = dist.updated %got by %dk, %dv : tensor<2x2x16x2x8xf32>, tensor<2x16x2x8xf32>, tensor<2x16x2x8xf32>
    dist.yield %sum : tensor<2x2x16x2x8xf32>
  } : tensor<2x2x16x2x8xf32>
  return %r : tensor<2x2x16x2x8xf32>
}

func.func @main(%q: tensor<2x12x4x8xf32>, %k: tensor<2x16x2x8xf32>, %l: tensor<2x4x12xf32>, %s: tensor<2x2x16x2x8xf32>) attributes {colo.role = "entry"} {
  %o, %lse = colo.call @turns(%q, %k) params [] : (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>) -> (tensor<2x12x4x8xf32>, tensor<2x4x12xf32>)
  %r = colo.call @message(%q, %k, %l, %s) params [] : (tensor<2x12x4x8xf32>, tensor<2x16x2x8xf32>, tensor<2x4x12xf32>, tensor<2x2x16x2x8xf32>) -> tensor<2x2x16x2x8xf32>
  return
}
