//===- Program.h - the binary interface of a compiled program --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler emits and the runtime reads. The emitted object holds one
// constant `ColoProgram` named `colo_program` and the functions that it points
// to; it holds no mutable global. Every rank owns one `ColoFrame`, which the
// runtime fills and hands to the emitted functions; ranks may be threads of one
// process.
//
// Plain C layout: fixed-width integers and pointers only, natural alignment.
// `lib/Target/CPU/EmitProgram.cpp` writes these tables; a change here is a
// change there and raises COLO_ABI_VERSION.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_PROGRAM_H
#define COLO_RUNTIME_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COLO_ABI_VERSION 8
#define COLO_MAX_RANK 8 /* dims of a tensor, and axes on one dim */

/* Element types. Sizes in bytes: 4, 8, 4, 8, 1, 2, 2. */
enum { COLO_F32 = 0, COLO_F64 = 1, COLO_I32 = 2, COLO_I64 = 3, COLO_I8 = 4, COLO_BF16 = 5, COLO_F16 = 6 };

/* One axis of the tensor mesh. Axes are listed major to minor; the rank inside
 * the tensor group is the mixed-radix number of the coordinates. */
typedef struct {
  const char *name;
  int64_t size;
  int32_t zigzag; /* 0: member i holds the i-th of `size` equal parts of what the
                     axis cuts; 1: the i-th and then the (2*size-1-i)-th of
                     2*size */
} ColoAxis;

/* The axes of one dim, major to minor, as indices into ColoProgram.axes. */
typedef struct {
  int32_t count;
  int32_t axis[COLO_MAX_RANK];
} ColoDimAxes;

enum {
  COLO_INIT_ZEROS = 0,
  COLO_INIT_ONES = 1,
  COLO_INIT_NORMAL = 2,  /* a = standard deviation, b = mean */
  COLO_INIT_UNIFORM = 3, /* between a and b */
  COLO_INIT_CONSTANT = 4 /* a */
};

/* A parameter, or the same parameter of `layers` equal layers. Layer i is named
 * by replacing the single '#' of `name` with firstLayer + i; without a '#'
 * layers is 1. All offsets and strides count elements of the program's dtype
 * in the flat parameter buffer (gradients and optimizer state have the same
 * layout). A dim is cut evenly: local[d] * shards(d) == padded[d]; rows past
 * shape[d] are padding and stay zero. Replicated over every axis not used. */
typedef struct {
  const char *name;
  int32_t rank;
  int64_t shape[COLO_MAX_RANK];  /* logical, what names, files and init see */
  int64_t padded[COLO_MAX_RANK]; /* global, with the vocabulary padded */
  int64_t local[COLO_MAX_RANK];  /* per rank */
  ColoDimAxes dims[COLO_MAX_RANK];
  int32_t fileRank; /* flat view in files: same row-major order */
  int64_t fileShape[COLO_MAX_RANK];
  int32_t init;
  double initA, initB;
  int64_t layers, firstLayer;
  int64_t offset, layerStride;
  int32_t segment; /* index into ColoProgram.segments */
  int32_t stage;   /* pipeline rank that holds it */
  int32_t copy;    /* 1: an earlier row of this name, on another pipeline rank,
                      speaks for it in files */
} ColoParam;

/* A span of the flat buffers with one reduction set and one decay rule. Spans
 * are disjoint, in rising order, and cover the buffers but for alignment gaps,
 * which hold zeros. */
typedef struct {
  int64_t begin, end;    /* elements */
  int32_t reduceComm;    /* ColoProgram.comms index summing gradients once per
                            step, or -1 */
  int32_t decay;         /* 1 if weight decay applies */
  int32_t normOwnerAxes; /* bit a: counted in norms only where the coordinate
                            on axis a is 0 (replicated there) */
  int32_t stage;         /* pipeline rank; spans of one rank are disjoint */
} ColoSegment;

/* The rank's own thread; reductions of gradients; collectives inside layers and
 * the sum of the loss's denominators, in order with the work where the runtime
 * has no thread to spare; transfers between pipeline stages. */
enum { COLO_STREAM_COMPUTE = 0, COLO_STREAM_GRADIENTS = 1, COLO_STREAM_LAYERS = 2, COLO_STREAM_STAGES = 3 };

/* A communicator: all ranks that agree on every coordinate but those of `axes`
 * (tensor axes, major to minor), the replica index (most major) if
 * `dataParallel`, and the pipeline rank where that is in `stages`; others are in
 * it with their own stage only. Its ranks are ordered by replica, stage, axes. Created at start, in
 * table order, by splitting the world. */
typedef struct {
  const char *name; /* e.g. "tp", "dp", "dp,tp" */
  ColoDimAxes axes;
  int32_t dataParallel;
  int32_t stream;  /* the only stream it is used on */
  uint64_t stages; /* bit s: joins pipeline rank s; 0: none */
} ColoComm;

/* What a product adds before it rounds and writes C, in C's type: n elements to
 * each row; a tensor that lies as C, instead of C (beta is then 0). What it adds up
 * beside C, of C's type, without a batch: A over k, m elements; B over k, n elements.
 * Either of these or a bias. Or the only one: the product times the derivative of
 * gelu's tanh form of an element of `aux`, which is of C's type, of 16 bits, and lies
 * as C. What is done to a sum, to which nothing is added up beside, last of all: gelu's
 * tanh form, of 16 bits, and max(x, 0). What gelu is done to can be written to `aux`. */
enum {
  COLO_EPILOGUE_BIAS = 1,
  COLO_EPILOGUE_ADDEND = 2,
  COLO_EPILOGUE_SUM_A = 4,
  COLO_EPILOGUE_SUM_B = 8,
  COLO_EPILOGUE_GELU_GRAD = 16,
  COLO_EPILOGUE_GELU = 32,
  COLO_EPILOGUE_RELU = 64,
  COLO_EPILOGUE_ARGUMENT = 128
};

/* C[batch, m, n] = A[batch, m, k] * B[batch, k, n] + beta * C. Strides count
 * elements; one of (am, ak), one of (bk, bn) and cn are 1. beta is 0 or 1. Of
 * 16-bit floats the sums are f32, and C has the operands' type or f32. */
typedef struct {
  int32_t dtype, resultDtype, batchRank;
  int32_t epilogue; /* of COLO_EPILOGUE_… */
  int64_t batch[4], aBatch[4], bBatch[4], cBatch[4];
  int64_t m, n, k, am, ak, bk, bn, cm, cn;
  double beta;
  const char *source; /* "GPT2.h.attn.qkv gpt2.colo:12:9" */
} ColoGemm;

/* A model input. dims[0] is the micro-batch. The runtime provides the rows of
 * one replica's whole step, micro-batch after micro-batch, contiguous. */
typedef struct {
  const char *name;
  int32_t dtype, rank;
  int64_t shape[COLO_MAX_RANK]; /* of one micro-batch */
  int64_t classes;              /* ids must lie in [0, classes), or be
                                   ignoreIndex; 0: not ids */
  int64_t ignoreIndex;          /* INT64_MIN: none */
} ColoInput;

typedef struct {
  const char *name; /* "loss", "accuracy" */
} ColoMetric;

/* A place in the program that communicates, for counters and errors. Bytes are
 * what the rank that sends most sends per execution (docs/communication.md);
 * -1 where they depend on the data-parallel size. */
typedef struct {
  const char *kind;   /* "all_reduce" ... */
  const char *source; /* the model's op, file, line */
  const char *phase;  /* "forward", "backward", "update" */
  int32_t comm;
  int64_t bytes;
  int64_t perStep; /* executions per step */
} ColoSite;

/* A kind of action of a pipeline rank's schedule: what it does for one virtual
 * stage. Micro-batches tell its executions apart. */
typedef struct {
  const char *kind; /* "F", "B", "I", "W", "SA", "RA", "SG", "RG" */
  int32_t stage;    /* virtual */
  int32_t chunk;    /* which of the rank's virtual stages it is */
  int32_t peer;     /* the other pipeline rank of a transfer, or -1 */
  int32_t stream;   /* where it runs */
  int32_t kept;     /* 1: its start adds an activation to those that are kept for
                       a backward; -1: its end drops one; 0: neither */
} ColoAction;

/* When the compiler's simulation runs an action, in its own unit of time from
 * the start of the schedule. */
typedef struct {
  int32_t action, microBatch;
  double begin, end;
} ColoPrediction;

/* What one pipeline rank holds, and its rows of ColoProgram.predictions: its
 * schedule, in order. */
typedef struct {
  int64_t paramElements, workspaceBytes;
  int64_t firstPrediction, predictionCount;
} ColoStage;

typedef struct ColoFrame ColoFrame;

/* kernel: `args` are pointers (and 8-byte scalars by value in the slot); rows
 * [begin, end) of the kernel's parallel extent. */
typedef void (*ColoKernel)(void **args, int64_t begin, int64_t end);

enum { COLO_SGD = 0, COLO_ADAM = 1, COLO_ADAMW = 2 };
enum { COLO_LR_CONSTANT = 0, COLO_LR_LINEAR = 1, COLO_LR_COSINE = 2 };

typedef struct {
  int32_t kind, schedule;
  double lr, momentum, beta1, beta2, eps, weightDecay, dampening;
  int32_t nesterov;
  int64_t warmupSteps, totalSteps; /* totalSteps 0: --steps of the run */
  double minLr;
  double clipGradNorm; /* 0: off */
} ColoOptimizer;

/* By what the loss is multiplied, so that small gradients are not lost in f16
 * (1710.03740). A step whose gradients are not all finite changes nothing else.
 * Of such steps, `hysteresis` since the last growth multiply the scale by
 * `backoff`, and so does every further one; `interval` others in a row multiply
 * it by `growth`. */
typedef struct {
  int32_t dynamic;                          /* 0: the scale stays */
  double initial;                           /* 0: gradients are not scaled */
  double growth, backoff, minimum, maximum; /* maximum 0: none */
  int64_t interval, hysteresis;
} ColoLossScale;

/* A kernel of the program's image, in blocks of threads. */
typedef struct {
  const char *name;   /* in the image */
  const char *source; /* the model's op, file, line */
  int32_t threads;    /* of a block */
  int32_t arguments;  /* of 8 bytes each: pointers, int64_t, double */
} ColoDeviceKernel;

typedef struct {
  uint32_t abi;
  const char *model; /* class name */
  const char *build; /* hash of model, config and compiler */
  int32_t dtype;     /* COLO_F32 or COLO_F64: parameters and gradients */
  int32_t readAs;    /* the type in which micro-batches read parameters: dtype, or that of their copies */
  int64_t axisCount;
  const ColoAxis *axes;    /* tensor axes, major to minor */
  int64_t pipeline;        /* stages */
  int64_t sequence;        /* of the tensor ranks, the parts of a sequence cut beside the tensor mode; 1: none */
  int64_t data;            /* required data-parallel size, 0: any */
  int64_t batchSize;       /* rows per replica and accumulation step */
  int64_t globalBatchSize; /* 0: batchSize * accumulation * dp */
  int64_t microBatch;      /* rows */
  int64_t accumulation;    /* gradient accumulation steps */
  int64_t seed;            /* default */
  int64_t paramElements;   /* of the flat buffers, the largest of all pipeline ranks */
  int64_t stateBuffers;    /* optimizer buffers of that size: 0, 1, 2 */
  int64_t workspaceBytes;  /* activations and temporaries, likewise */
  int64_t stepMultiple;    /* divides the micro-batches of a step */
  int64_t inputBytesPerMicroBatch;
  int64_t termCount; /* denominators */
  int64_t streamCount, eventCount;
  int64_t paramCount, segmentCount, commCount, gemmCount, inputCount, metricCount, siteCount;
  const ColoParam *params;
  const ColoSegment *segments;
  const ColoComm *comms;
  const ColoGemm *gemms;
  const ColoInput *inputs;
  const ColoMetric *metrics;
  const ColoSite *sites;
  const ColoStage *stages; /* one per pipeline rank */
  int64_t actionCount;     /* 0 without a pipeline */
  const ColoAction *actions;
  const ColoPrediction *predictions;
  ColoOptimizer optimizer;
  ColoLossScale lossScale;
  const char *plan; /* the text of --plan, printed by EXE --info */
  /* One optimizer step on one rank: counts, all micro-batches, reductions,
   * clipping, update. */
  void (*step)(ColoFrame *);
  /* Forward only over the same inputs: metrics and counts, no dropout. */
  void (*evaluate)(ColoFrame *);
  /* Makes a rank's colo::runtime::Device: colo_cpu_device or a function of
   * another target's, which is linked because it is named here. */
  void *(*device)(void);
  const void *image; /* of the device's kernels, as its driver loads it; null where kernels are host code */
  int64_t kernelCount;
  const ColoDeviceKernel *kernels;
  const char *cpuFeatures; /* of the host code, names of CpuFeatures.def with commas between them; null: any CPU */
} ColoProgram;

/* What changes from step to step, as kernels of a device with memory of its own read it. */
typedef struct {
  int64_t step;
  double lr, biasCorrection1, biasCorrection2, lossScale;
  int64_t updates;
} ColoStepValues;

/* Written by the runtime before each call unless said otherwise. The emitted
 * code addresses fields by offset: append only. */
struct ColoFrame {
  char *params, *grads, *state[2], *workspace; /* owned by the runtime; 64-byte
                                                  aligned, never moved */
  void **inputs;                               /* one pointer per ColoInput: the replica's rows */
  int64_t microBatches;                        /* micro-batches of this step, accumulation included */
  int64_t seed;                                /* key of all random numbers */
  int64_t step;                                /* 0-based optimizer step */
  int64_t firstRow;                            /* global row of this replica's first row in the step */
  int64_t dp, replica;
  const int64_t *coords;                   /* this rank's coordinate on each tensor axis */
  double lr;                               /* of this step */
  double biasCorrection1, biasCorrection2; /* 1 - beta^(updates+1) */
  int64_t *counts;                         /* [termCount], written by the emitted code */
  double *inverseCounts;                   /* [termCount], 1/N or 0, written by the emitted code */
  double *metrics;                         /* [metricCount], sums over the global batch, written by
                                              the emitted code */
  double *gradNorm;                        /* [1], the norm before clipping, written by the emitted code */
  void **comms;                            /* ncclComm_t per ColoComm */
  void **streams;                          /* handle per stream; 0 is the compute stream */
  int64_t site;                            /* ColoSite of the next collective, written by the
                                              emitted code before each nccl call */
  void *runtime;                           /* the runtime's own */
  int64_t stage;                           /* this rank's pipeline rank */
  ColoStepValues *stepValues;              /* this step's, the device's */
  /* What the host reads of metrics and the norm: the same memory, or copies that the emitted code asks for. */
  double *hostMetrics, *hostGradNorm;
  char *copies;     /* of parameters, in ColoProgram.readAs; null where it is dtype */
  double lossScale; /* of this step; 1 where there is none */
  int64_t updates;  /* steps so far that changed the parameters */
};

/* Called by emitted code, provided by the runtime. */
void colo_gemm(ColoFrame *, int64_t gemm, const void *a, const void *b, void *c);
/* With an epilogue; a pointer is null where it adds no such thing. */
void colo_gemm_epilogue(ColoFrame *, int64_t gemm, const void *a, const void *b, void *c, const void *bias,
                        const void *addend, void *sums, void *aux);
void colo_launch(ColoFrame *, ColoKernel, void **args, int64_t extent,
                 int64_t grain); /* grain: least rows worth a thread */
/* Where the device has memory of its own: kernel `kernel` of the table; zeros; the host's copy of what the host
 * reads. Work is in order on the compute stream but for the copy. `bytes` of operands and results, each once. */
void colo_launch_kernel(ColoFrame *, int64_t kernel, void **args, int64_t blocks, int64_t bytes);
void colo_clear(ColoFrame *, void *memory, int64_t bytes);
void colo_fetch(ColoFrame *, void *host, const void *memory, int64_t bytes, int64_t stream);
/* For profilers: a function of the model starts, for a layer, or where that is -1 for the micro-batch that has the row;
 * and ends. */
void colo_enter(ColoFrame *, const char *name, int64_t layer, int64_t row);
void colo_leave(ColoFrame *);
void colo_event_record(ColoFrame *, int64_t event, int64_t stream);
void colo_stream_wait(ColoFrame *, int64_t stream, int64_t event);
void colo_action(ColoFrame *, int64_t action, int64_t microBatch,
                 int64_t ends); /* 0: starts, 1: has ended; in the order of its stream */

/* Emitted code also calls the NCCL C ABI (nccl.h's names and signatures), with
 * frame->comms[i] and frame->streams[s]. */

extern const ColoProgram colo_program;

/* Devices, for ColoProgram.device. */
void *colo_cpu_device(void);
void *colo_cuda_device(void);

/* The whole life of an executable: parses argv, runs ranks, returns the exit
 * code. The emitted main calls it. */
int colo_main(int argc, char **argv, const ColoProgram *program);

#ifdef __cplusplus
}
#endif

#endif /* COLO_RUNTIME_PROGRAM_H */
