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

// CHECK-LABEL: func.func private @bf16_is_the_upper_half_of_f32
// CHECK:         %[[BITS:.*]] = arith.bitcast %{{.*}} : bf16 to i16
// CHECK:         arith.extui %[[BITS]] : i16 to i32
// CHECK:         arith.shli
// CHECK:         %[[WIDE:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK:         arith.cmpf uno, %[[WIDE]], %[[WIDE]]
// CHECK:         arith.bitcast %{{.*}} : i16 to bf16
// CHECK-NOT:     arith.truncf
func.func private @bf16_is_the_upper_half_of_f32(%x: bf16) -> bf16 attributes {rt.kernel} {
  %wide = arith.extf %x : bf16 to f32
  %narrow = arith.truncf %wide : f32 to bf16
  return %narrow : bf16
}

// CHECK-LABEL: func.func private @f16_has_instructions
// CHECK:         arith.extf
func.func private @f16_has_instructions(%x: f16) -> f32 attributes {rt.kernel} {
  %wide = arith.extf %x : f16 to f32
  return %wide : f32
}
