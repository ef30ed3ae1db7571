# colo_add_unit_test(NAME sources… [LINK libs…])
#
# A GoogleTest binary in build/test/unit/, built for and run by check-colo.
find_package(GTest REQUIRED)
function(colo_add_unit_test name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/unit)
  set_property(GLOBAL APPEND PROPERTY COLO_UNIT_TESTS ${name})
endfunction()
