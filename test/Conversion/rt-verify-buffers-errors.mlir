// RUN: colo-opt %s -rt-verify-buffers -split-input-file -verify-diagnostics

func.func @use_after_reuse(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 128 {rt.value = array<i64: 1, 128, 384>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  // expected-note @below {{to a value that is first used here}}
  rt.fill %b : memref<64xf32>
  // expected-error @below {{uses value 0 after its memory was given away}}
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @overlap_in_one_op(%ws: memref<512xi8>) {
  %a = rt.slot %ws at 0 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  %b = rt.slot %ws at 128 {rt.value = array<i64: 1, 128, 384>} : memref<512xi8> to memref<64xf32>
  // expected-error @below {{uses values 0 and 1, which overlap in memory}}
  rt.all_reduce %a, %b over ["tp"] : memref<64xf32>, memref<64xf32>
  return
}

// -----

func.func @misaligned(%ws: memref<512xi8>) {
  // expected-error @below {{value 0 starts at byte 32, no multiple of 64}}
  %a = rt.slot %ws at 32 {rt.value = array<i64: 0, 32, 288>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  return
}

// -----

func.func @outside(%ws: memref<512xi8>) {
  // expected-error @below {{lies outside its value 0}}
  %a = rt.slot %ws at 256 {rt.value = array<i64: 0, 0, 256>} : memref<512xi8> to memref<64xf32>
  rt.fill %a : memref<64xf32>
  return
}
