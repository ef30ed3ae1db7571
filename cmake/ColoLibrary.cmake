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
