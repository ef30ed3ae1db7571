// RUN: colo-opt %s -build-step -split-input-file -verify-diagnostics

// expected-error @below {{needs an entry function on memrefs and laid out parameters; run plan-buffers first}}
module {
}

// -----

// expected-error @below {{colo.training: 'lr' has the wrong kind of value}}
module attributes {colo.training = {lr = "fast"}} {
}

// -----

// expected-error @below {{colo.training holds a key that is no setting}}
module attributes {colo.training = {learning_rate = 0.1 : f64}} {
}
