// RUN: colo-opt %s -rt-to-llvm -split-input-file -verify-diagnostics

// expected-error @below {{has no step; run build-step first}}
module {
}

// -----

module attributes {colo.metrics = [], colo.segments = []} {
  func.func @colo_step() attributes {colo.role = "step"} {
    // expected-error @below {{names no axis of the mesh: 'tp'}}
    // expected-error @below {{failed to legalize operation 'rt.axis_index'}}
    %i = rt.axis_index "tp" : index
    return
  }
}

// -----

module attributes {colo.metrics = [], colo.segments = []} {
  func.func @colo_step() attributes {colo.role = "step"} {
    // expected-error @below {{calls 'missing', which is not a lowered kernel}}
    // expected-error @below {{failed to legalize operation 'rt.launch'}}
    rt.launch @missing() : () -> ()
    return
  }
}
