// RUN: colo-opt %s -plan-buffers -split-input-file -verify-diagnostics

func.func @no_kernel(%x: tensor<4xf32>) attributes {colo.role = "entry"} {
  // expected-error @below {{'colo.exp' op has no place in memory; it should have become part of a kernel}}
  %y = colo.exp %x : tensor<4xf32>
  return
}

// -----

// expected-error @below {{must have a body of one block}}
func.func private @declaration(tensor<4xf32>) attributes {colo.role = "count"}

// -----

dist.mesh @mesh <["tp"=2]>
func.func @global_form(%x: tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>>) attributes {colo.role = "entry"} {
  // expected-error @below {{'dist.reshard' op is not in its local form}}
  %y = dist.reshard %x : tensor<4xf32, #dist.shard<@mesh, [{"tp"}]>> -> tensor<4xf32, #dist.shard<@mesh, [{}]>>
  return
}
