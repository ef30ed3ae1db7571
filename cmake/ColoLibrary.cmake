# colo_add_library(NAME sources… [LINK libs…] [EXCEPTIONS] [DEPENDS targets…])
#
# A static library of the compiler: no exceptions and RTTI as LLVM was built,
# linked against the two LLVM shared libraries only (mixing in their static
# archives registers command-line options twice). EXCEPTIONS is for the one
# library that talks to ANTLR.
function(colo_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  # The compiler's time goes into LLVM's own libraries; optimising this part
  # more makes builds twice as long and compiles no faster.
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${name} PRIVATE -O1)
  endif()
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  if(NOT LLVM_ENABLE_RTTI)
    target_compile_options(${name} PRIVATE -fno-rtti)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK} MLIR LLVM)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# colo_tablegen(TARGET FILE.td OUT FLAG [OUT FLAG]…)
function(colo_tablegen target td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(args ${ARGN})
  while(args)
    list(POP_FRONT args out flag)
    separate_arguments(flags NATIVE_COMMAND "${flag}")
    mlir_tablegen(${out} ${flags})
  endwhile()
  add_public_tablegen_target(${target})
endfunction()

# build/docs/NAME.md: what TableGen writes of the descriptions in a .td file. Part of the build, target `colo-docs`.
function(colo_reference name td)
  set(LLVM_TARGET_DEFINITIONS ${td})
  tablegen(MLIR ${name}.md ${ARGN})
  set(page ${CMAKE_BINARY_DIR}/docs/${name}.md)
  add_custom_command(OUTPUT ${page} DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/${name}.md
    COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_CURRENT_BINARY_DIR}/${name}.md ${page})
  add_custom_target(colo-docs-${name} ALL DEPENDS ${page})
  if(NOT TARGET colo-docs)
    add_custom_target(colo-docs)
  endif()
  add_dependencies(colo-docs colo-docs-${name})
endfunction()
