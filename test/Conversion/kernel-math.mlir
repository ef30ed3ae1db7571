// RUN: colo-opt %s --kernel-math | FileCheck %s

// What the polynomial is made of may be contracted and not reassociated; the kernel's own arithmetic keeps its flags.

// CHECK-LABEL: func.func private @single
// CHECK-NOT:     math.exp
// CHECK:         arith.mulf {{.*}} fastmath<contract> : f32
// CHECK:         arith.addf {{.*}} fastmath<reassoc,contract> : f32
func.func private @single(%x: f32) -> f32 attributes {rt.kernel} {
  %y = math.exp %x : f32
  %z = arith.addf %y, %x fastmath<reassoc,contract> : f32
  return %z : f32
}

// CHECK-LABEL: func.func private @double
// CHECK:         math.exp
func.func private @double(%x: f64) -> f64 attributes {rt.kernel} {
  %y = math.exp %x : f64
  return %y : f64
}

// CHECK-LABEL: func.func @host
// CHECK:         math.exp
func.func @host(%x: f32) -> f32 {
  %y = math.exp %x : f32
  return %y : f32
}
