// RUN: colo-opt %s --pipe-verify-schedule | colo-opt | FileCheck %s
// RUN: colo-opt %s --pipe-verify-schedule=remarks --verify-diagnostics -o /dev/null

// A schedule prints and parses back, a row a rank.
// CHECK: pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 2 {
// CHECK-NEXT: "F0,SA0>1,F1,SA1>1,RG0<1,B0,RG1<1,B1",
// CHECK-NEXT: "RA0<0,F0,RA1<0,F1,B0,SG0>0,B1,SG1>0"
// CHECK-NEXT: }
// expected-remark @below {{the schedule takes 9.00 mean forwards and is idle for 33.3 % of that; at most 2, 2 activations are kept by pipeline ranks 0 to 1}}
pipe.schedule @schedule stages 2 chunks 1 placement "loop" micro_batches 2 {
  "F0,SA0>1,F1,SA1>1,RG0<1,B0,RG1<1,B1",
  "RA0<0,F0,RA1<0,F1,B0,SG0>0,B1,SG1>0"
}

// CHECK: pipe.enter %{{.*}} from 1 to 0 {backward} : tensor<4xf32> -> tensor<4xf32>
func.func @gradient(%d: tensor<4xf32>) -> tensor<4xf32> {
  %e = pipe.enter %d from 1 to 0 {backward} : tensor<4xf32> -> tensor<4xf32>
  return %e : tensor<4xf32>
}
