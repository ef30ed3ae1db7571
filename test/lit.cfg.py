# lit configuration of colo's tests.
#
# Options, as `lit -D name`: `full` also runs the large matrices.

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
import unit_tests

config.name = "colo"
config.test_format = unit_tests.ColoTest(True)
config.suffixes = [".mlir", ".colo", ".cfg", ".test", ".td"]
config.excludes = ["Inputs", "CMakeLists.txt", "lit.cfg.py", "lit.site.cfg.py"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.colo_obj_root, "test")

tools = os.path.join(config.colo_obj_root, "bin")
unit = os.path.join(config.colo_obj_root, "test", "unit")
config.environment["PATH"] = os.pathsep.join([tools, unit, config.llvm_tools_dir, config.environment["PATH"]])
# A rank is a thread; what the machine offers is set by the tests themselves.
for name in ("OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS"):
    config.environment.pop(name, None)

config.substitutions.append(("%examples", os.path.join(config.colo_src_root, "examples")))
config.substitutions.append(("%docs", os.path.join(config.colo_obj_root, "docs")))
config.substitutions.append(("%src", config.colo_src_root))
config.substitutions.append(("%unit", unit))
config.substitutions.append(("%double", os.path.join(config.test_exec_root, "double")))
# What colo-compile links with.
config.substitutions.append(("%cxx", next(filter(shutil.which, ("clang++-19", "g++", "c++")), "c++")))
# The system's Python, where Debian installs torch.
config.substitutions.append(("%python", "/usr/bin/python3"))

if lit_config.params.get("full"):
    config.available_features.add("full")
if shutil.which("mpirun") and os.path.exists(os.path.join(config.colo_obj_root, "lib", "libcolo_comm_mpi.so")):
    config.available_features.add("mpirun")
if os.path.isdir("/usr/share/datasets/fashion-mnist"):
    config.available_features.add("fashion-mnist")
if shutil.which("bible"):
    config.available_features.add("bible")
if shutil.which("ptxas") or os.access("/usr/local/cuda/bin/ptxas", os.X_OK):
    config.available_features.add("ptxas")
if os.path.realpath(config.colo_obj_root) == os.path.realpath(os.path.join(config.colo_src_root, "build")):
    config.available_features.add("default-build")
if not config.colo_sanitize:
    config.available_features.add("no-sanitizer")


def has_torch():
    try:
        probe = subprocess.run(["/usr/bin/python3", "-c", "import torch"], capture_output=True, timeout=120)
        return probe.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if has_torch():
    config.available_features.add("torch")
