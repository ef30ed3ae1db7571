// RUN: colo-opt %s -rt-to-llvm=device=cuda -verify-diagnostics

module attributes {colo.metrics = [], colo.segments = []} {
  func.func private @k(%y: memref<8xf32>, %begin: index, %end: index) attributes {rt.kernel, rt.extent = 8 : i64, rt.grain = 4 : i64} {
    return
  }
  func.func @colo_step() attributes {colo.role = "step"} {
    %a = rt.buffer "workspace" : memref<8xf32>
    // expected-error @below {{calls 'k', which is not a kernel of blocks of threads}}
    // expected-error @below {{failed to legalize operation 'rt.launch'}}
    rt.launch @k() outs(%a) : () -> () outs memref<8xf32>
    return
  }
}
