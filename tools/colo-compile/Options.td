//===- Options.td - flags of colo-compile -------------------*- tablegen -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

include "llvm/Option/OptParser.td"

class F<string name, string help> : Flag<["--", "-"], name>, HelpText<help>;
class J<string name, string meta, string help> : Joined<["--", "-"], name # "=">, MetaVarName<meta>, HelpText<help>;
class S<string name, string help> : Separate<["--", "-"], name>, HelpText<help>;

def config_eq : J<"config", "<file>", "the parallel configuration (default: one rank)">;
def config : S<"config", "the parallel configuration">, Flags<[HelpHidden]>, Alias<config_eq>;
def output : JoinedOrSeparate<["-"], "o">, MetaVarName<"<file>">, HelpText<"where the result goes, '-' being standard output (default: there for text; for a binary the model's file name without its extension, in the current folder, over what is there, and with .o for an object)">;
def target_eq : J<"target", "cpu[:native|x86-64-v3|x86-64-v4]|cuda", "what the executable runs on (default cpu:native)">;
def emulate : F<"emulate", "with --target=cuda: run the kernels on the host, thread by thread">;
def define : JoinedOrSeparate<["-"], "D">, MetaVarName<"<name>=<value>">,
  HelpText<"set a size or option of the Model, or dtype=f64">;
def model_eq : J<"model", "<name>", "the Model class to compile, where the file has several">;
def world_size_eq : J<"world-size", "<n>", "the number of ranks: the configuration is checked against it, and the plan knows the replicas">;
def emit_eq : J<"emit", "<phase>", "print one phase and stop: ast, colo, staged, autodiff, sharded, spmd, linalg, buffers, rt, llvm, ptx (cuda), obj, exe">;
def dump_phases_eq : J<"dump-phases", "<dir>", "write one numbered file per phase">;
def schedule_svg_eq : J<"schedule-svg", "<file>", "draw the pipeline's schedule as it would run">;
def plan : F<"plan", "print the plan (memory, flops and communication of a rank) as text and stop">;
def plan_eq : J<"plan", "text|json", "print the plan as text or JSON and stop">;
def compare_modes : F<"compare-modes", "print what each parallel mode would cost on --world-size ranks, in the configuration's pipeline, and stop">;
def compare_modes_eq : J<"compare-modes", "text|json", "print what each parallel mode would cost, as text or JSON, and stop">;
def check : F<"check", "check model and configuration and stop; with --plan, print the plan">;
def print_config : F<"print-config", "print the resolved configuration, and where each value came from, and stop">;
def O : Joined<["-"], "O">, MetaVarName<"<0..3>">, HelpText<"optimisation level (default 3)">;
def algorithm_eq : J<"algorithm", "loop|reference", "how products of 2d and 2.5d and rings of attention move: part by part (default), or at once">;
def no_epilogues : F<"no-epilogues", "let products of GPUs do nothing but multiply; kernels add biases and residuals, sum gradients of biases and apply gelu, its gradient and relu">;
def save_temps : F<"save-temps", "keep the object file beside the executable">;
def verify_diagnostics : F<"verify-diagnostics", "check diagnostics against expected-error comments">, Flags<[HelpHidden]>;
def verbose : Flag<["-"], "v">, HelpText<"print each phase, its seconds and its passes, and remarks on the pipeline's schedule">;
def version : F<"version", "print versions">;
def help : F<"help", "print this">;
def h : Flag<["-"], "h">, Alias<help>;
