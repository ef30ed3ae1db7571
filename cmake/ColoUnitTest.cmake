# colo_add_unit_test(NAME sources… [LINK libs…] [WITHOUT_EXCEPTIONS] [ENVIRONMENT VARIABLE=value…])
#
# A GoogleTest binary in build/test/unit/, and the lit test that runs it: NAME.test
# in the folder's place in the build, where test/unit_tests.py finds it, so that
# no binary goes without one. ENVIRONMENT may use lit's substitutions.
find_package(GTest REQUIRED)
function(colo_add_unit_test name)
  cmake_parse_arguments(ARG "WITHOUT_EXCEPTIONS" "" "LINK;ENVIRONMENT" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  # The main of gtest comes first: the one in the runtime's archive wants a program.
  target_link_libraries(${name} PRIVATE GTest::gtest_main GTest::gtest ${ARG_LINK})
  if(ARG_WITHOUT_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/unit)
  set_property(GLOBAL APPEND PROPERTY COLO_UNIT_TESTS ${name})
  set(command env ${ARG_ENVIRONMENT} %unit/${name})
  list(JOIN command " " command)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.test "RUN: ${command}\n")
endfunction()
