// What one rank holds of each parameter of a GPT-2, and in braces the axes over which its gradient is summed once a step.
// Sizes: 72 features, 288 hidden, 12 heads of 6, 50 words, 24 positions, a batch of 8: more tokens than features in a plane of 2.5d too.

// RUN: sed 's/<4x/<8x/g' %S/Inputs/gpt2.mlir > %t.mlir
// RUN: %python %S/Inputs/local_shapes.py %t.mlir "mode=1d size=4" "mode=1d size=4 sequence-parallel" "mode=2d size=4" \
// RUN:   "mode=2.5d size=8 depth=2" "mode=3d size=8" | FileCheck %s --check-prefix=DENSE --match-full-lines
// RUN: %python %S/Inputs/local_shapes.py %t.mlir "mode=sequence size=4" "mode=ulysses size=4" \
// RUN:   "mode=1d size=2 sequence-size=2" "mode=1d size=2 sequence-parallel sequence-size=2" \
// RUN:   | FileCheck %s --check-prefix=SEQ --match-full-lines

//                            1d          1d, sequence_parallel  2d               2.5d                 3d
//      DENSE:wte.weight           13x72{}     13x72{}     25x36{}         25x36{dep}         13x36{}
// DENSE-NEXT:wpe.weight           24x72{}     6x72{}      24x36{row}      24x36{dep,row}     24x36{in,wt}
// DENSE-NEXT:h.#.ln_1.weight      72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:h.#.ln_1.bias        72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:h.#.attn.qkv.weight  3x3x6x72{}  3x3x6x72{}  3x6x6x36{}      3x6x6x36{dep}      3x6x6x18{}
// DENSE-NEXT:h.#.attn.qkv.bias    3x3x6{}     3x3x6{}     3x6x6{row}      3x6x6{dep,row}     3x6x6{out,wt}
// DENSE-NEXT:h.#.attn.proj.weight 72x3x6{}    72x3x6{}    36x6x6{}        36x6x6{dep}        36x3x6{}
// DENSE-NEXT:h.#.attn.proj.bias   72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:h.#.ln_2.weight      72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:h.#.ln_2.bias        72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:h.#.mlp.fc.weight    72x72{}     72x72{}     144x36{}        144x36{dep}        144x18{}
// DENSE-NEXT:h.#.mlp.fc.bias      72{}        72{}        144{row}        144{dep,row}       144{out,wt}
// DENSE-NEXT:h.#.mlp.proj.weight  72x72{}     72x72{}     36x144{}        36x144{dep}        36x72{}
// DENSE-NEXT:h.#.mlp.proj.bias    72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:ln_f.weight          72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}
// DENSE-NEXT:ln_f.bias            72{}        72{tp}      36{row}         36{dep,row}        36{in,wt}

//                          sequence        ulysses         1d and sequence  the same, sequence_parallel
//      SEQ:wte.weight           50x72{sp}       50x72{sp}       25x72{sp}      25x72{sp}
// SEQ-NEXT:wpe.weight           6x72{}          6x72{}          12x72{}        6x72{}
// SEQ-NEXT:h.#.ln_1.weight      72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:h.#.ln_1.bias        72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:h.#.attn.qkv.weight  3x12x6x72{sp}   3x12x6x72{sp}   3x6x6x72{sp}   3x6x6x72{sp}
// SEQ-NEXT:h.#.attn.qkv.bias    3x12x6{sp}      3x12x6{sp}      3x6x6{sp}      3x6x6{sp}
// SEQ-NEXT:h.#.attn.proj.weight 72x12x6{sp}     72x12x6{sp}     72x6x6{sp}     72x6x6{sp}
// SEQ-NEXT:h.#.attn.proj.bias   72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:h.#.ln_2.weight      72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:h.#.ln_2.bias        72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:h.#.mlp.fc.weight    288x72{sp}      288x72{sp}      144x72{sp}     144x72{sp}
// SEQ-NEXT:h.#.mlp.fc.bias      288{sp}         288{sp}         144{sp}        144{sp}
// SEQ-NEXT:h.#.mlp.proj.weight  72x288{sp}      72x288{sp}      72x144{sp}     72x144{sp}
// SEQ-NEXT:h.#.mlp.proj.bias    72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:ln_f.weight          72{sp}          72{sp}          72{sp}         72{sp,tp}
// SEQ-NEXT:ln_f.bias            72{sp}          72{sp}          72{sp}         72{sp,tp}
