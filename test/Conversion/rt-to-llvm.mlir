// RUN: colo-opt %s -rt-to-llvm | FileCheck %s --check-prefixes=CHECK,HOST
// RUN: colo-opt %s -rt-to-llvm=device=cuda | FileCheck %s --check-prefixes=CHECK,DEVICE

// Host functions take the frame first; kernels are left alone. A device with memory of its own is asked for what the host
// does with memory, and for kernels by their number in the program's table.
module attributes {colo.model = "Small", colo.metrics = ["loss"], colo.param_elements = 64 : i64, colo.term_count = 1 : i64,
    colo.workspace_bytes = 128 : i64,
    colo.segments = [{begin = 0 : i64, decay = true, end = 64 : i64, owner_axes = [], reduce = []}]} {
  dist.mesh @mesh <["tp"=2]>
  colo.param @w : tensor<64xf32> {logical_shape = array<i64: 64>, file_shape = array<i64: 64>, init = #colo.init<ones, 0.0 : f64, 0.0 : f64>, layer_stride = 0 : i64, offset = 0 : i64, segment = 0 : i64}
  // CHECK-DAG: llvm.func @ncclAllReduce(!llvm.ptr, !llvm.ptr, i64, i32, i32, !llvm.ptr, !llvm.ptr) -> i32
  // HOST-DAG: llvm.func @k.entry(!llvm.ptr, i64, i64)
  // HOST-DAG: llvm.func @colo_cpu_device() -> !llvm.ptr
  // DEVICE-DAG: llvm.mlir.global external hidden constant @colo_image
  // DEVICE-DAG: llvm.func @colo_cuda_device() -> !llvm.ptr
  // CHECK: func.func private @k
  func.func private @k(%x: memref<8xf32>, %n: i64, %y: memref<8xf32>, %begin: index, %end: index) attributes {rt.kernel, rt.extent = 8 : i64, rt.grain = 4 : i64, rt.threads = 32 : i64} {
    return
  }
  // CHECK: llvm.func internal @M(%[[FRAME:[^:]*]]: !llvm.ptr, %[[WS:[^:]*]]: !llvm.ptr, %{{[^:]*}}: i64,
  func.func @M(%ws: memref<128xi8>, %layer: i64, %row: i64, %x: memref<2x4xf32> {colo.input = "x"}, %p: memref<64xf32>, %g: memref<64xf32>, %last: i1) attributes {colo.role = "entry"} {
    %a = rt.slot %ws at 64 : memref<128xi8> to memref<8xf32>
    %b = rt.slot %ws at 0 : memref<128xi8> to memref<8xf32>
    // CHECK: %[[A:.*]] = llvm.getelementptr %[[WS]]
    // HOST: %[[ENTRY:.*]] = llvm.mlir.addressof @k.entry
    // HOST: llvm.call @colo_launch(%[[FRAME]], %[[ENTRY]]
    // DEVICE: %[[BLOCKS:.*]] = llvm.mlir.constant(8 : i64)
    // DEVICE-NEXT: %[[BYTES:.*]] = llvm.mlir.constant(64 : i64)
    // DEVICE-NEXT: llvm.call @colo_launch_kernel(%[[FRAME]], %{{.*}}, %{{.*}}, %[[BLOCKS]], %[[BYTES]])
    rt.launch @k(%a, %layer) outs(%b) : (memref<8xf32>, i64) -> () outs memref<8xf32>
    // CHECK: llvm.call @colo_gemm(%[[FRAME]],
    rt.gemm %x, %x, %b {sizes = array<i64: 2, 2, 4>, a = array<i64: 4, 1>, b = array<i64: 1, 4>, c = array<i64: 2, 1>} : memref<2x4xf32>, memref<2x4xf32>, memref<8xf32>
    // The site is set before the call.
    // CHECK: llvm.store %{{.*}}, %{{.*}} : i64, !llvm.ptr
    // CHECK: llvm.call @ncclAllReduce
    rt.all_reduce %a, %b over ["tp"] : memref<8xf32>, memref<8xf32>
    // CHECK: llvm.call @ncclGroupStart
    // CHECK: llvm.call @ncclSend
    // CHECK: llvm.call @ncclRecv
    // CHECK: llvm.call @ncclGroupEnd
    rt.permute %a, %b over ["tp"] {sources = array<i64: 1, 0>} : memref<8xf32>, memref<8xf32>
    // CHECK: llvm.call @ncclBroadcast({{.*}}) : (!llvm.ptr, !llvm.ptr, i64, i32, i32, !llvm.ptr, !llvm.ptr) -> i32
    rt.broadcast %a, %b over ["tp"] {root = 1 : i64} : memref<8xf32>, memref<8xf32>
    // CHECK: llvm.call @ncclReduce({{.*}}) : (!llvm.ptr, !llvm.ptr, i64, i32, i32, i32, !llvm.ptr, !llvm.ptr) -> i32
    rt.reduce %a, %b over ["tp"] {root = 1 : i64} : memref<8xf32>, memref<8xf32>
    return
  }
  // CHECK: llvm.func internal @colo_step(%{{.*}}: !llvm.ptr)
  func.func @colo_step() attributes {colo.role = "step"} {
    // HOST: llvm.intr.memset
    // DEVICE: llvm.call @colo_clear
    %g = rt.buffer "grads" : memref<64xf32>
    rt.fill %g : memref<64xf32>
    // CHECK: llvm.call @colo_event_record
    rt.record {event = 0 : i64, stream = 0 : i64}
    // CHECK: llvm.call @colo_stream_wait
    rt.wait {event = 0 : i64, stream = 1 : i64}
    // HOST-NOT: colo_fetch
    // DEVICE: llvm.call @colo_fetch
    %n = rt.buffer "grad_norm" : memref<1xf64>
    %h = rt.buffer "host_grad_norm" : memref<1xf64>
    rt.fetch %n to %h : memref<1xf64>, memref<1xf64>
    return
  }
  func.func @colo_evaluate() attributes {colo.role = "evaluate_step"} {
    return
  }
}
// DEVICE: llvm.mlir.global private constant @colo.table.kernels
// CHECK: llvm.mlir.global {{.*}}constant @colo_program
