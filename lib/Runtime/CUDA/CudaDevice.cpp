//===- CudaDevice.cpp - a GPU as a device -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank has a GPU. It uses the primary context, which the libraries use too. The
// image of the kernels is loaded once, memory is allocated once, in open and
// allocate; afterwards calls only enqueue, but for the graphs that are made at the
// second step and what --profile needs.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Driver.h"
#include "CUDA/Graphs.h"
#include "CUDA/LoopbackComm.h"
#include "CUDA/LtProducts.h"
#include "CUDA/NcclComm.h"
#include "CUDA/Watchdog.h"
#include "Ranges.h"
#include "Rank.h"
#include "colo/Runtime/Device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <random>

namespace colo::runtime::cuda {

/// The least compute capability that images are made for.
static constexpr int kLeastCapability = 80;
static constexpr const char *kLoopback = "loopback";

/// One rank needs no library for what it sends itself, but may ask for it: so NCCL can be tried where there is one GPU.
static bool usesNccl(const DeviceSetup &setup) {
  return setup.comm != kLoopback && (setup.ranks > 1 || setup.comm == "nccl");
}

static void note(void *place) { *static_cast<int64_t *>(place) = steadyNanoseconds(); }

static int capabilityOf(int device) {
  int major = 0, minor = 0;
  check(driver().cuDeviceGetAttribute(&major, kComputeCapabilityMajor, device), "cuDeviceGetAttribute");
  check(driver().cuDeviceGetAttribute(&minor, kComputeCapabilityMinor, device), "cuDeviceGetAttribute");
  return 10 * major + minor;
}

namespace {
class CudaDevice final : public Device {
public:
  ~CudaDevice() override;

  Status probe(const DeviceSetup &setup) override;
  DeviceChoice choice(const DeviceSetup &setup) override;
  Status open(const DeviceSetup &setup) override;
  Status connect(ncclComm_t hosts, int rank, int ranks, ncclComm_t &world) override;
  const CommProvider &comms() override { return loopback ? *loopbackProvider() : *ncclProvider(); }

  int64_t scratchBytes() const override { return gemms->scratchBytes(); }
  void useScratch(char *memory) override { gemms->useScratch(memory); }
  Status allocate(int64_t bytes, char *&memory) override;
  Status makeTwin(char *memory, int64_t bytes, char *&host) override;
  void upload(char *memory, const char *twin, int64_t bytes) override {
    if (bytes)
      check(cu.cuMemcpyHtoDAsync_v2(addressOf(memory), twin, bytes, stream(COLO_STREAM_COMPUTE)), "cuMemcpyHtoDAsync");
  }
  void stage(char *staging, const char *twin, int64_t bytes) override;
  void unstage(char *memory, const char *staging, int64_t bytes) override;
  void fetch(void *twin, const void *memory, int64_t bytes, int64_t number) override {
    if (bytes)
      check(cu.cuMemcpyDtoHAsync_v2(twin, addressOf(memory), bytes, stream(number)), "cuMemcpyDtoHAsync");
  }
  void clear(void *memory, int64_t bytes) override {
    if (bytes)
      check(cu.cuMemsetD8Async(addressOf(memory), 0, bytes, stream(COLO_STREAM_COMPUTE)), "cuMemsetD8Async");
  }

  bool sharesMemory() const override { return false; }
  void write(char *memory, const char *host, int64_t bytes) override {
    synchronize();
    if (bytes)
      check(cu.cuMemcpyHtoD_v2(addressOf(memory), host, bytes), "cuMemcpyHtoD");
    // The copy returns when it has read the host's memory.
    check(cu.cuCtxSynchronize(), "cuCtxSynchronize");
  }
  void read(char *host, const char *memory, int64_t bytes) override {
    synchronize();
    if (bytes)
      check(cu.cuMemcpyDtoH_v2(host, addressOf(memory), bytes), "cuMemcpyDtoH");
  }

  void **streamHandles() override { return handles.data(); }
  void record(int64_t event, int64_t number) override {
    check(cu.cuEventRecord(events[event], stream(number)), "cuEventRecord");
    recordedIn[event] = stepNumber;
  }
  /// What an earlier step recorded is past, and a graph must not ask for it.
  void wait(int64_t number, int64_t event) override {
    if (recordedIn[event] != stepNumber)
      return;
    check(cu.cuStreamWaitEvent(stream(number), events[event], 0), "cuStreamWaitEvent");
  }
  void synchronize() override {
    for (void *handle : handles)
      check(cu.cuStreamSynchronize(static_cast<CudaStream>(handle)), "cuStreamSynchronize");
  }
  void noteTime(int64_t number, int64_t *place) override {
    check(cu.cuLaunchHostFunc(stream(number), note, place), "cuLaunchHostFunc");
  }

  Status makeMarks(int64_t count) override;
  void mark(int64_t number, int64_t streamNumber) override {
    check(cu.cuEventRecord(marks[number], stream(streamNumber)), "cuEventRecord");
  }
  double secondsBetween(int64_t from, int64_t to) override;

  void startStep() override;
  std::string whyNoGraph(const DeviceSetup &setup) override;
  void beginCapture() override;
  DeviceGraph endCapture() override;
  void launchGraph(int64_t number) override;
  void releaseGraphs() override;

  void launch(int64_t kernel, void **arguments, int64_t blocks) override;
  Products &products() override { return *gemms; }
  std::unique_ptr<Products> makeProducts() override {
    auto made = std::make_unique<LtProducts>();
    made->setStream(stream(COLO_STREAM_COMPUTE));
    return made;
  }
  double memoryRate() const override;

private:
  CudaStream stream(int64_t number) const { return static_cast<CudaStream>(handles[number]); }
  Status loadKernels();
  Status startWatchdog(uint64_t board, int rank, int ranks);
  Status connectWatchdogs(ncclComm_t hosts, uint64_t token, int ranks);

  const Driver &cu = driver();
  const ColoProgram *program = nullptr;
  int device = -1;
  bool loopback = false; ///< ranks share GPUs
  bool nccl = false;
  bool triesGraphs = false;
  Module module = nullptr;
  std::vector<Function> kernels;
  std::vector<void *> parameters; ///< where the arguments of a launch are, one each
  std::vector<void *> handles, twins;
  std::vector<CudaEvent> events, marks;
  CudaStream copies = nullptr; ///< of what the next step reads
  CudaEvent staged = nullptr, unstaged = nullptr;
  std::vector<int64_t> recordedIn; ///< for each event
  int64_t stepNumber = 0;          ///< captures are steps, too
  Address arena = 0;
  std::unique_ptr<LtProducts> gemms = std::make_unique<LtProducts>();
  std::unique_ptr<Watchdog> watchdog; ///< of ranks that use NCCL
  std::unique_ptr<Graphs> graphs;
  std::deque<Watchdog::Calls> calls; ///< of each graph
  std::string trialFault;
};
} // namespace

Status CudaDevice::probe(const DeviceSetup &setup) {
  startRanges();
  bool shares = setup.comm == kLoopback;
  int64_t wanted = shares ? 1 : setup.ranksInProcess;
  if (Status status = loadDriver(); status.failed())
    return status;
  int count = 0;
  check(cu.cuDeviceGetCount(&count), "cuDeviceGetCount");
  if (count < wanted)
    return Status::usage("%lld ranks need a GPU each, and this machine has %d; --comm=loopback lets them share",
                         static_cast<long long>(wanted), count);
  for (int i = 0; i < count && i < wanted; ++i)
    if (int capability = capabilityOf(i); capability < kLeastCapability)
      return Status::usage("GPU %d has compute capability %d.%d, and this program needs at least %d.%d", i,
                           capability / 10, capability % 10, kLeastCapability / 10, kLeastCapability % 10);
  if (setup.program->gemmCount)
    if (Status status = loadCublasLt(); status.failed())
      return status;
  return usesNccl(setup) ? loadNccl() : Status::ok();
}

/// As NCCL tells hosts apart, whose kernel has drawn a number.
static std::string hostName() {
  if (const char *host = std::getenv("NCCL_HOSTID"))
    return host;
  std::string drawn;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> drawn;
  return drawn;
}

/// NCCL, too, takes GPUs with one address on the bus for one.
DeviceChoice CudaDevice::choice(const DeviceSetup &setup) {
  int taken = -1, count = 0;
  char bus[32] = "";
  check(cu.cuDeviceGetCount(&count), "cuDeviceGetCount");
  DeviceChoice made{0, setup.place % count, count};
  check(cu.cuDeviceGet(&taken, static_cast<int>(made.number)), "cuDeviceGet");
  check(cu.cuDeviceGetPCIBusId(bus, sizeof bus, taken), "cuDeviceGetPCIBusId");
  if (setup.comm != kLoopback)
    made.id = std::hash<std::string>()(hostName() + " " + bus) | 1;
  return made;
}

Status CudaDevice::open(const DeviceSetup &setup) {
  program = setup.program;
  loopback = setup.comm == kLoopback;
  nccl = usesNccl(setup);
  // Threads that share a GPU would be in each other's way.
  triesGraphs = setup.wantsGraphs && !loopback;
  Context context = nullptr;
  int chosen = -1;
  // A launcher may show each process a GPU of its own.
  check(cu.cuDeviceGet(&chosen, static_cast<int>(choice(setup).number)), "cuDeviceGet");
  if (int result = cu.cuDevicePrimaryCtxRetain(&context, chosen))
    return Status::usage("GPU %d cannot be used: %s", chosen, describeResult(result).c_str());
  device = chosen;
  check(cu.cuCtxSetCurrent(context), "cuCtxSetCurrent");
  if (Status status = loadKernels(); status.failed())
    return status;
  for (int64_t i = 0; i < std::max<int64_t>(1, program->streamCount); ++i) {
    CudaStream made = nullptr;
    check(cu.cuStreamCreate(&made, kNonBlockingStream), "cuStreamCreate");
    handles.push_back(made);
  }
  events.resize(program->eventCount);
  for (CudaEvent &event : events)
    check(cu.cuEventCreate(&event, kEventWithoutTime), "cuEventCreate");
  recordedIn.assign(events.size(), -1);
  graphs = std::make_unique<Graphs>();
  std::vector<CudaStream> all;
  for (int64_t i = 0; i < static_cast<int64_t>(handles.size()); ++i)
    all.push_back(stream(i));
  graphs->open(all);
  check(cu.cuStreamCreate(&copies, kNonBlockingStream), "cuStreamCreate");
  for (CudaEvent *event : {&staged, &unstaged})
    check(cu.cuEventCreate(event, kEventWithoutTime), "cuEventCreate");
  gemms->setStream(stream(COLO_STREAM_COMPUTE));
  return gemms->prepare(program->gemms, program->gemmCount);
}

Status CudaDevice::loadKernels() {
  if (!program->kernelCount)
    return Status::ok();
  if (int result = cu.cuModuleLoadData(&module, program->image))
    return Status::usage("the driver cannot load this program's kernels: %s", describeResult(result).c_str());
  int32_t most = 0;
  for (int64_t i = 0; i < program->kernelCount; ++i) {
    const ColoDeviceKernel &kernel = program->kernels[i];
    kernels.push_back(nullptr);
    if (int result = cu.cuModuleGetFunction(&kernels.back(), module, kernel.name))
      return Status::internal("the program's image has no kernel %s: %s", kernel.name, describeResult(result).c_str());
    most = std::max(most, kernel.arguments);
  }
  parameters.resize(most);
  return Status::ok();
}

CudaDevice::~CudaDevice() {
  if (device < 0)
    return;
  synchronize();
  if (copies)
    cu.cuStreamSynchronize(copies);
  watchdog.reset(); // reads twins
  releaseGraphs();  // need the context
  gemms.reset();
  for (const std::vector<CudaEvent> &all : {events, marks, {staged, unstaged}})
    for (CudaEvent event : all)
      if (event)
        cu.cuEventDestroy_v2(event);
  if (copies)
    cu.cuStreamDestroy_v2(copies);
  for (void *handle : handles)
    cu.cuStreamDestroy_v2(static_cast<CudaStream>(handle));
  for (void *twin : twins)
    cu.cuMemFreeHost(twin);
  if (arena)
    cu.cuMemFree_v2(arena);
  if (module)
    cu.cuModuleUnload(module);
  cu.cuDevicePrimaryCtxRelease_v2(device);
}

/// Rank 0's id reaches the others through the hosts' own communicator.
Status CudaDevice::connect(ncclComm_t hosts, int rank, int ranks, ncclComm_t &world) {
  if (!nccl) {
    world = loopback ? makeLoopbackWorld(hosts) : makeWorldOfOne();
    return Status::ok();
  }
  struct {
    ncclUniqueId id;
    uint64_t board; ///< names the ranks' board
    uint64_t token; ///< by which watchdogs know each other
  } shared{};
  if (rank == 0) {
    if (Status made = commStatus(comms(), comms().getUniqueId(&shared.id)); made.failed())
      return made;
    std::random_device random;
    for (uint64_t *number : {&shared.board, &shared.token})
      *number = uint64_t(random()) << 32 | random();
  }
  ncclResult_t sent = commProvider().broadcast(&shared, &shared, sizeof shared, ncclInt8, 0, hosts, nullptr);
  if (Status status = commStatus(commProvider(), sent); status.failed())
    return status;
  if (Status status = startWatchdog(shared.board, rank, ranks); status.failed())
    return status;
  if (Status status = connectWatchdogs(hosts, shared.token, ranks); status.failed())
    return status;
  return commStatus(comms(), makeNcclWorld(shared.id, rank, ranks, *watchdog, world));
}

/// The same for all ranks of a host that share a board. NCCL takes ranks with different ids for ranks on different
/// hosts.
static std::string boardName(uint64_t number) {
  const char *host = std::getenv("NCCL_HOSTID");
  return formatString("/colo-%016llx-%zx", static_cast<unsigned long long>(number),
                      host ? std::hash<std::string>()(host) : 0);
}

Status CudaDevice::startWatchdog(uint64_t board, int rank, int ranks) {
  World world;
  world.launched = true; // the number of ranks has been accepted
  if (Status status = planWorld(*program, ranks, world); status.failed())
    return status;
  char *words = nullptr;
  if (Status status = makeTwin(nullptr, Watchdog::wordCount(*program) * 4, words); status.failed())
    return status;
  Watchdog::Setup setup;
  setup.program = program;
  setup.rank = rank;
  setup.ranks = ranks;
  setup.seconds = commTimeout();
  setup.board = boardName(board);
  setup.split = [program = program, world](int64_t comm, int64_t other) {
    return splitKey(*program, program->comms[comm], coordinatesOf(*program, world, other), world);
  };
  setup.words = reinterpret_cast<uint32_t *>(words);
  setup.asyncError = describeAsyncError;
  setup.fail = [](const std::string &message) { failProcess(Status::usage("%s", message.c_str())); };
  watchdog = std::make_unique<Watchdog>(std::move(setup));
  return Status::ok();
}

/// Where there are several hosts, ranks tell each other where their watchdogs can be asked.
Status CudaDevice::connectWatchdogs(ncclComm_t hosts, uint64_t token, int ranks) {
  if (&commProvider() == threadsProvider())
    return Status::ok();
  SocketAddress own;
  std::vector<SocketAddress> all(ranks);
  auto share = [&] {
    return commStatus(commProvider(), commProvider().allGather(&own, all.data(), sizeof own, ncclInt8, hosts, nullptr));
  };
  // First, so that all watchdogs are on their boards.
  if (Status status = share(); status.failed() || watchdog->allAreHere())
    return status;
  own = watchdog->openSocket();
  if (Status status = share(); status.failed())
    return status;
  watchdog->connect(token, std::move(all));
  return Status::ok();
}

Status CudaDevice::allocate(int64_t bytes, char *&memory) {
  if (int result = cu.cuMemAlloc_v2(&arena, bytes))
    return Status::usage("no memory for an arena of %lld bytes on GPU %d: %s", static_cast<long long>(bytes), device,
                         describeResult(result).c_str());
  memory = reinterpret_cast<char *>(arena); // NOLINT(performance-no-int-to-ptr): an address of the device
  clear(memory, bytes);
  synchronize();
  if (!triesGraphs)
    return Status::ok();
  char *word = nullptr;
  if (Status status = makeTwin(nullptr, sizeof(uint32_t), word); status.failed())
    return status;
  trialFault = graphs->tryOut(arena, reinterpret_cast<uint32_t *>(word));
  return Status::ok();
}

/// Locked in place, so that copies run beside the host.
Status CudaDevice::makeTwin(char *, int64_t bytes, char *&host) {
  void *made = nullptr;
  if (int result = cu.cuMemAllocHost_v2(&made, std::max<int64_t>(bytes, 1)))
    return Status::usage("no memory for %lld locked bytes on the host: %s", static_cast<long long>(bytes),
                         describeResult(result).c_str());
  std::memset(made, 0, bytes);
  twins.push_back(made);
  host = static_cast<char *>(made);
  return Status::ok();
}

/// Two transfers a cycle of the memory's clock.
double CudaDevice::memoryRate() const {
  int kilohertz = 0, bits = 0;
  if (cu.cuDeviceGetAttribute(&kilohertz, kMemoryClockKilohertz, device) ||
      cu.cuDeviceGetAttribute(&bits, kMemoryBusBits, device))
    return 0;
  return 2e3 * kilohertz * bits / 8;
}

Status CudaDevice::makeMarks(int64_t count) {
  marks.resize(count);
  for (CudaEvent &event : marks)
    if (int result = cu.cuEventCreate(&event, kEventWithTime))
      return Status::usage("no events to time the GPU's work with: %s", describeResult(result).c_str());
  return Status::ok();
}

double CudaDevice::secondsBetween(int64_t from, int64_t to) {
  float milliseconds = 0;
  check(cu.cuEventElapsedTime(&milliseconds, marks[from], marks[to]), "cuEventElapsedTime");
  return 1e-3 * static_cast<double>(milliseconds);
}

void CudaDevice::stage(char *staging, const char *twin, int64_t bytes) {
  check(cu.cuStreamWaitEvent(copies, unstaged, 0), "cuStreamWaitEvent");
  check(cu.cuMemcpyHtoDAsync_v2(addressOf(staging), twin, bytes, copies), "cuMemcpyHtoDAsync");
  check(cu.cuEventRecord(staged, copies), "cuEventRecord");
}

void CudaDevice::unstage(char *memory, const char *staging, int64_t bytes) {
  CudaStream compute = stream(COLO_STREAM_COMPUTE);
  check(cu.cuStreamWaitEvent(compute, staged, 0), "cuStreamWaitEvent");
  check(cu.cuMemcpyDtoDAsync_v2(addressOf(memory), addressOf(staging), bytes, compute), "cuMemcpyDtoDAsync");
  check(cu.cuEventRecord(unstaged, compute), "cuEventRecord");
}

void CudaDevice::startStep() {
  ++stepNumber;
  if (watchdog)
    watchdog->startStep();
}

std::string CudaDevice::whyNoGraph(const DeviceSetup &setup) {
  if (setup.comm == kLoopback)
    return "what ranks that share GPUs (--comm=loopback) send goes through the host";
  if (std::string why = usesNccl(setup) ? whyNcclHasNoGraph() : ""; !why.empty())
    return why;
  if (!trialFault.empty())
    return "the driver does not capture a trial: " + trialFault;
  // Its guide: "Using multiple GPUs per process with CUDA graph capture may result in deadlocks."
  if (setup.ranks > 1 && setup.ranksInProcess > 1 && !setup.insistsOnGraphs)
    return "graphs of NCCL may wait for each other without end where GPUs share a process; a process for each (mpirun, "
           "torchrun) has them, and --graph=on";
  return "";
}

void CudaDevice::beginCapture() {
  ++stepNumber;
  calls.emplace_back();
  if (watchdog)
    watchdog->beginCapture(calls.back());
  graphs->begin();
}

DeviceGraph CudaDevice::endCapture() {
  if (watchdog)
    watchdog->endCapture();
  return graphs->end();
}

void CudaDevice::launchGraph(int64_t number) {
  if (watchdog)
    watchdog->replay(calls[number]);
  graphs->launch(number);
}

/// ncclCommDestroy waits until no graph holds an operation of the communicator.
void CudaDevice::releaseGraphs() {
  synchronize();
  graphs.reset();
}

void CudaDevice::launch(int64_t number, void **arguments, int64_t blocks) {
  const ColoDeviceKernel &kernel = program->kernels[number];
  for (int32_t i = 0; i < kernel.arguments; ++i)
    parameters[i] = static_cast<void *>(&arguments[i]);
  int result =
      cu.cuLaunchKernel(kernels[number], static_cast<unsigned>(blocks), 1, 1, static_cast<unsigned>(kernel.threads), 1,
                        1, /*sharedBytes=*/0, stream(COLO_STREAM_COMPUTE), parameters.data(), nullptr);
  if (result)
    check(result, formatString("cuLaunchKernel of %s", kernel.name).c_str(), kernel.source);
}

} // namespace colo::runtime::cuda

extern "C" void *colo_cuda_device() {
  return static_cast<colo::runtime::Device *>(new colo::runtime::cuda::CudaDevice);
}
