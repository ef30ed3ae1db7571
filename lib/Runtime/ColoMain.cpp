//===- ColoMain.cpp - the life of an executable ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parses the command line, plans the world, opens the files, runs the ranks.
// Errors before the ranks start are returned; a rank that fails ends the
// process, because the others may be anywhere in emitted code.
//
//===----------------------------------------------------------------------===//

#include "Agreement.h"
#include "CpuFeatures.h"
#include "Logger.h"
#include "Rank.h"
#include "Sockets/SocketsComm.h"
#include "Stats.h"
#include "Trace.h"
#include "colo/Runtime/CommPlugin.h"
#include "colo/Runtime/OutputFile.h"
#include "colo/Runtime/Safetensors.h"
#include "colo/Runtime/Stream.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace colo::runtime {

/// Seconds since this process was started by the kernel.
static double processSeconds() {
  double started = 0;
  if (FILE *file = fopen("/proc/self/stat", "re")) {
    char line[1024];
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    // Field 22, counted after the command's closing parenthesis, in ticks.
    const char *at = std::strrchr(line, ')');
    for (int field = 2; at && field < 22; ++field)
      at = std::strchr(at + 1, ' ');
    if (at)
      started = std::strtod(at, nullptr) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started;
}

static void failComm(ncclResult_t result, const char *message) { failProcess(commFailure(result, message)); }

/// Finds out how this process was started, and whether that is how the command line
/// wants its ranks.
static Status chooseProvider(const Options &options, World &world) {
  static const char *const known[] = {"auto", "threads", "mpi", "sockets", "nccl", "loopback"};
  if (std::find(std::begin(known), std::end(known), options.comm) == std::end(known))
    return Status::usage("--comm=%s: expected auto, threads, mpi, sockets, nccl or loopback", options.comm.c_str());
  if (Status status = detectLauncher(world); status.failed())
    return status;
  const bool isProcesses = options.comm == "mpi" || options.comm == "sockets" || !options.rendezvous.empty();
  const std::string asked = options.rendezvous.empty() ? "--comm=" + options.comm : "--rendezvous";
  if (!options.rendezvous.empty() && (options.comm == "mpi" || options.comm == "threads"))
    return Status::usage("--rendezvous is for processes that --comm=sockets connects, not for --comm=%s",
                         options.comm.c_str());
  if (isProcesses && options.ranks > 0)
    return Status::usage("%s takes the ranks that a launcher starts, and no --ranks", asked.c_str());
  const bool takesThreads = options.comm == "threads" || (!isProcesses && options.ranks > 0);
  if (!takesThreads && !world.incomplete.empty())
    return Status::usage("%s", world.incomplete.c_str());
  if (options.comm == "mpi" && !world.launched)
    return Status::usage("--comm=mpi needs a launcher: mpirun -n RANKS EXE ...");
  if (isProcesses && !world.launched)
    return Status::usage("%s needs a launcher, such as torchrun or srun, or RANK and WORLD_SIZE in the environment of "
                         "each process",
                         asked.c_str());
  if (takesThreads && world.launched && world.ranks > 1)
    return Status::usage(
        "%s started %lld processes (%s), and each of them would train a model of its own: it is mpirun -n "
        "RANKS EXE ... without --ranks and --comm=threads, or EXE --ranks=RANKS ... without a launcher",
        world.launcher.c_str(), static_cast<long long>(world.ranks), world.sizeVariable.c_str());
  world.launched &= isProcesses || world.ranks > 1;
  world.speaksMpi &= options.comm != "sockets" && options.rendezvous.empty();
  world.speaksMpi |= options.comm == "mpi";
  return Status::ok();
}

/// What this process says of itself where ranks meet.
static Member memberOf(const Run &run) {
  return {static_cast<int>(run.world.processRank), static_cast<int>(run.world.ranks), run.program->build,
          commTimeout()};
}

/// Starts the provider once the world is known to fit.
static Status startProvider(const Run &run, const RendezvousPoint &place) {
  const World &world = run.world;
  const CommProvider *provider = threadsProvider();
  const int rank = static_cast<int>(world.processRank), ranks = static_cast<int>(world.ranks);
  Status status;
  if (world.launched && world.speaksMpi)
    status = loadCommPlugin("colo_comm_mpi", rank, ranks, provider);
  else if (world.launched)
    status = openSockets(place, memberOf(run), provider);
  setCommProvider(provider);
  return status;
}

static void printInfo(const Run &run) {
  const ColoProgram &p = *run.program;
  const World &w = run.world;
  const char *readAs = p.readAs == COLO_BF16 ? ", activations bf16" : p.readAs == COLO_F16 ? ", activations f16" : "";
  printf("model %s, build %s, %s%s\n", p.model, p.build, p.dtype == COLO_F64 ? "f64" : "f32", readAs);
  printf("ranks %lld = data %lld x pipeline %lld x tensor %lld (", static_cast<long long>(w.ranks),
         static_cast<long long>(w.dp), static_cast<long long>(w.pipeline), static_cast<long long>(w.tensor));
  for (int64_t i = 0; i < p.axisCount; ++i)
    printf("%s%s=%lld", i ? ", " : "", p.axes[i].name, static_cast<long long>(p.axes[i].size));
  printf("), %lld threads each\n", static_cast<long long>(run.threads));
  printf("global batch %lld rows = %lld replicas x %lld micro-batches x %lld rows\n",
         static_cast<long long>(w.globalRows), static_cast<long long>(w.dp), static_cast<long long>(w.microBatches),
         static_cast<long long>(p.microBatch));
  if (p.plan)
    fputs(p.plan, stdout);
}

/// Only rank 0 speaks to the user.
static bool speaks(const Run &run) { return run.world.processRank == 0; }

static bool isSameFile(const std::string &a, const std::string &b) {
  struct stat first, second;
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/// Whether --data or --eval reads the file.
static bool readsFile(const std::string &spec, Split split, const std::string &path) {
  std::vector<std::string> files = dataFiles(spec, split);
  return std::any_of(files.begin(), files.end(), [&](const std::string &file) { return isSameFile(file, path); });
}

/// What is written after training is checked before it: places that can be
/// written, a file for each, and none that is read. A model may replace the one
/// that it started from.
static Status checkOutputs(const Options &options) {
  const std::string *outputs[] = {&options.exportFile, &options.dumpGrads, &options.stats, &options.trace,
                                  &options.log};
  for (const std::string *&output : outputs) {
    if (output->empty())
      continue;
    if (*output == "-" && (output == &options.exportFile || output == &options.dumpGrads))
      return Status::usage("tensors are no text for standard output; --export and --dump-grads need a file");
    for (const std::string **other = outputs; other != &output; ++other)
      if (**other == *output || isSameFile(**other, *output))
        return Status::usage("%s is named for two outputs", output->c_str());
    const bool isFile = *output != "-";
    if (isFile && (readsFile(options.data, Split::Train, *output) || readsFile(options.eval, Split::Eval, *output) ||
                   (output != &options.exportFile && isSameFile(options.init, *output))))
      return Status::usage("%s is read by this run and would be overwritten", output->c_str());
    if (isFile && isSameFile("/proc/self/exe", *output))
      return Status::usage("%s is this program and would be overwritten", output->c_str());
    if (Status status = OutputFile::check(*output); status.failed())
      return status;
  }
  return Status::ok();
}

static Status openFiles(Run &run) {
  const ColoProgram &program = *run.program;
  const Options &options = run.options;
  if (options.data.empty() && options.steps > 0)
    return Status::usage("training needs --data=SPEC; --help lists all flags");
  if (!options.data.empty())
    if (Status status = openDataset(options.data, Split::Train, program, run.seed, run.train); status.failed())
      return status;
  if (options.evalEvery && options.eval.empty())
    return Status::usage("--eval-every needs --eval=SPEC");
  if (!options.eval.empty())
    if (Status status = openDataset(options.eval, Split::Eval, program, run.seed, run.eval); status.failed())
      return status;
  if (run.eval && run.eval->size() < run.world.globalRows)
    return Status::user("the evaluation set has %lld records, less than one global batch of %lld",
                        static_cast<long long>(run.eval->size()), static_cast<long long>(run.world.globalRows));
  if (options.init.empty())
    return Status::ok();
  run.init = std::make_unique<SafetensorsFile>();
  if (Status status = run.init->open(options.init); status.failed())
    return status;
  return run.init->matchProgram(program);
}

static Status plan(int argc, char **argv, const ColoProgram *program, Run &run) {
  if (program->abi != COLO_ABI_VERSION)
    return Status::internal("compiled for runtime interface %u, linked with %d", program->abi, COLO_ABI_VERSION);
  run.program = program;
  if (Status status = parseOptions(argc, argv, run.options); status.failed() || run.options.help)
    return status;
  if (Status status = chooseProvider(run.options, run.world); status.failed())
    return status;
  int64_t ranks = run.world.launched ? run.world.ranks : run.options.ranks;
  if (Status status = planWorld(*program, ranks, run.world); status.failed())
    return status;
  if (run.options.timeProducts && run.world.ranks != 1)
    return Status::usage("--time-products needs one rank, not %lld", static_cast<long long>(run.world.ranks));
  if (!run.options.trace.empty() && !program->actionCount)
    return Status::usage("--trace shows the actions of pipeline ranks, and this program has one stage");
  run.seed = static_cast<uint64_t>(run.options.seed >= 0 ? run.options.seed : program->seed);
  run.threads =
      run.options.threads ? run.options.threads : std::max<int64_t>(1, availableCores() / ranksHere(run.world));
  constexpr int64_t maxThreads = 4096;
  if (int64_t ranksInProcess = run.world.launched ? 1 : run.world.ranks; run.threads > maxThreads / ranksInProcess)
    return Status::usage("%lld ranks of %lld threads are more than %lld threads in one process; lower --threads",
                         static_cast<long long>(ranksInProcess), static_cast<long long>(run.threads),
                         static_cast<long long>(maxThreads));
  if (const std::string &when = run.options.overlap; when != "auto" && when != "on" && when != "off")
    return Status::usage("--overlap=%s: expected auto, on or off", when.c_str());
  if (const std::string &when = run.options.graph; when != "auto" && when != "on" && when != "off")
    return Status::usage("--graph=%s: expected auto, on or off", when.c_str());
  WaitWord::setCoresShared(run.threads * ranksHere(run.world) > availableCores());
  bool hasSpareCores = availableCores() > run.threads * ranksHere(run.world);
  run.overlap = run.options.overlap == "on" || (run.options.overlap == "auto" && hasSpareCores);
  setCommTimeout(run.options.commTimeout);
  return Status::ok();
}

/// Whether this machine has what the ranks of this process compute on.
static Status probeDevice(Run &run) {
  if (Status status = checkCpuFeatures(run.program->cpuFeatures); status.failed())
    return status;
  std::unique_ptr<Device> device(static_cast<Device *>(run.program->device()));
  DeviceSetup setup;
  setup.program = run.program;
  setup.place = run.world.rankOnHost;
  setup.ranks = run.world.ranks;
  setup.ranksInProcess = run.world.launched ? 1 : run.world.ranks;
  setup.comm = run.options.comm;
  setup.insistsOnGraphs = run.options.graph == "on";
  if (Status status = device->probe(setup); status.failed())
    return status;
  run.device = device->choice(setup);
  std::string why = whyPlain(run.options);
  if (why.empty())
    why = device->whyNoGraph(setup);
  if (run.options.graph == "on" && !why.empty())
    return Status::usage("--graph=on: %s", why.c_str());
  return Status::ok();
}

/// Runs all ranks to their end, then writes the statistics while all are alive.
static void runRanks(Run &run) {
  commProvider().getUniqueId(&run.id);
  setCommFailureHandler(failComm);
  StatsWriter stats(run);
  auto life = [&](int64_t index) {
    Rank rank(run, index);
    Status status = rank.setUp();
    if (!status.failed()) {
      if (index == 0) {
        run.startSeconds = processSeconds();
        status = run.logger->note(rank.describeLaunches());
      }
    }
    if (!status.failed())
      status = rank.train();
    if (!status.failed())
      status = stats.finish(rank);
    if (!status.failed())
      status = writeTrace(rank);
    if (status.failed())
      failProcess(status);
  };
  if (run.world.launched)
    return life(run.world.processRank);
  std::vector<std::thread> threads;
  for (int64_t rank = 1; rank < run.world.ranks; ++rank)
    threads.emplace_back(life, rank);
  life(0);
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace colo::runtime

using namespace colo::runtime;

/// The exit code, once what failed has been said.
static int end(const Status &status) {
  if (status.failed()) {
    fflush(stdout);
    fprintf(stderr, "colo: error: %s\n", status.message.c_str());
  }
  return status.code;
}

namespace {
/// How far a process has come with the others when it ends before its first step.
struct Start {
  bool isMeeting = false;    ///< sockets connect it
  bool isFoundByAll = false; ///< what it fails at
  bool mayTell = false;      ///< where the others wait for it
  bool othersWait = false;   ///< and know nothing, but see that it ends
  RendezvousPoint place;
};
} // namespace

static int endEarly(const Run &run, Status status, const Start &start) {
  const std::string fault = status.message;
  if (!speaks(run) && (start.isFoundByAll || !start.isMeeting)) {
    // mpirun ends all processes when one has failed: the one that says why should be the first.
    std::this_thread::sleep_for(std::chrono::seconds(2));
    if (start.isFoundByAll && run.world.speaksMpi)
      return status.code;
    // It may be this rank's alone.
    status.message = formatString("rank %lld: ", static_cast<long long>(run.world.processRank)) + status.message;
  }
  if (start.othersWait)
    failProcess(status);
  const int code = end(status);
  if (start.mayTell)
    cancelRendezvous(start.place, memberOf(run), fault);
  return code;
}

extern "C" int colo_main(int argc, char **argv, const ColoProgram *program) {
  keepStandardStreamsApart();
  Run run;
  Status status = plan(argc, argv, program, run);
  if (!status.failed() && run.options.help) {
    fputs(helpText(argc ? argv[0] : "EXE", program->model).c_str(), stdout);
    return end(flushOutput());
  }
  if (!status.failed() && run.options.info) {
    if (speaks(run))
      printInfo(run);
    return end(flushOutput());
  }
  Start start;
  // Where ranks meet is a matter of each: one that was started by hand may miss what the others have.
  start.isMeeting = !status.failed() && run.world.launched && !run.world.speaksMpi;
  Status found = start.isMeeting ? findRendezvousPoint(run.options.rendezvous, start.place) : Status::ok();
  if (!status.failed())
    status = checkOutputs(run.options);
  // Every process finds the same fault in the command line and in outputs; one says so.
  start.isFoundByAll = status.failed();
  if (!status.failed())
    status = found;
  Logger logger;
  if (!status.failed())
    status = openFiles(run);
  if (!status.failed())
    status = probeDevice(run);
  // Of what all have found the others need not hear from rank 0.
  start.mayTell = start.isMeeting && !found.failed() && status.failed() && !(start.isFoundByAll && speaks(run));
  if (!status.failed())
    status = startProvider(run, start.place);
  const bool isStarted = run.world.launched && !status.failed();
  if (!status.failed())
    status = compareRanks(run, commProvider());
  // When all have found the same, those that sockets connect end by themselves; MPI would wait for all to finish.
  start.othersWait = isStarted && (run.world.speaksMpi || !status.failed());
  // What is written to standard output takes the place of the lines for people.
  const bool isTaken = run.options.stats == "-" || run.options.trace == "-";
  if (!status.failed() && speaks(run))
    status = logger.open(*program, run.options.log, run.options.quiet || isTaken);
  if (status.failed())
    return endEarly(run, status, start);
  run.logger = &logger;
  runRanks(run);
  return end(flushOutput());
}
