// RUN: colo-opt %s -split-input-file -verify-diagnostics

func.func @other_rank() {
  // expected-error @below {{has positions of 1 dims, not of 2}}
  %i = colo.iota {dim = 0 : i64, positions = [{}]} : tensor<4x3xf32>
  return
}

// -----

func.func @no_dictionary() {
  // expected-error @below {{has positions that are no dictionaries: 4 : i64}}
  %i = colo.iota {dim = 0 : i64, positions = [4, {}]} : tensor<4x3xf32>
  return
}

// -----

func.func @misspelt_key() {
  // expected-error @below {{has 'axis' in positions; legal are global, padded, axes, blocks, before, half, part}}
  %i = colo.iota {dim = 0 : i64, positions = [{global = 8, padded = 8, axis = ["tp"]}]} : tensor<4xf32>
  return
}

// -----

func.func @misspelt_key_of_a_turn() {
  // expected-error @below {{has 'turns' in positions; legal are turn, loop, rows_travel}}
  %i = colo.iota {dim = 0 : i64, positions = [{global = 8, padded = 8, axes = ["tp"], before = {turns = 1}}]} : tensor<4xf32>
  return
}

// -----

func.func @missing_key() {
  // expected-error @below {{has positions without 'padded' beside other keys}}
  %i = colo.iota {dim = 0 : i64, positions = [{global = 8, axes = ["tp"]}]} : tensor<4xf32>
  return
}

// -----

func.func @missing_key_of_a_part() {
  // expected-error @below {{has positions without 'of' beside other keys}}
  %i = colo.iota {dim = 0 : i64, positions = [{global = 8, padded = 8, axes = [], part = {loop = 0}}]} : tensor<4xf32>
  return
}

// -----

func.func @other_kind() {
  // expected-error @below {{has positions whose 'axes' is not an array of strings: "tp"}}
  %i = colo.iota {dim = 0 : i64, positions = [{global = 8, padded = 8, axes = "tp"}]} : tensor<4xf32>
  return
}

// -----

func.func @rows_in_blocks(%table: tensor<4x3xf32>, %ids: tensor<2xi32>) {
  // expected-error @below {{looks up rows by number, so that a rank must hold one run of them, not blocks}}
  %y = colo.embedding %table, %ids {positions = [{global = 8, padded = 8, axes = ["sp"], blocks = array<i64: 0, 3, 1, 2>}, {}]} : tensor<4x3xf32>, tensor<2xi32> -> tensor<2x3xf32>
  return
}
