// RUN: colo-opt %s -build-step -split-input-file -verify-diagnostics

// expected-error @below {{needs an entry function on memrefs and laid out parameters; run plan-buffers first}}
module {
}
