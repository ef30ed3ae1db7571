"""Tests that lit finds in the source tree, and beside them those that CMake writes into the same folder of the build for
binaries of unit tests (cmake/ColoUnitTest.cmake)."""

import os

import lit.Test
import lit.formats


class WrittenTest(lit.Test.Test):
    """A test whose file is in the build."""

    def getSourcePath(self):
        return self.getExecPath()


class ColoTest(lit.formats.ShTest):
    def getTestsForPath(self, suite, path_in_suite, lit_config, local_config):
        if os.path.exists(suite.getSourcePath(path_in_suite)):
            yield from super().getTestsForPath(suite, path_in_suite, lit_config, local_config)
        else:
            yield WrittenTest(suite, path_in_suite, local_config)

    def getTestsInDirectory(self, suite, path_in_suite, lit_config, local_config):
        yield from super().getTestsInDirectory(suite, path_in_suite, lit_config, local_config)
        folder = suite.getExecPath(path_in_suite)
        for name in sorted(os.listdir(folder)) if path_in_suite[:1] == ("unit",) else []:
            if name.endswith(".test"):
                yield WrittenTest(suite, path_in_suite + (name,), local_config)
