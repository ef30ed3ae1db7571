# colo_antlr(TARGET GRAMMAR.g4 NAMESPACE)
#
# Generates the lexer and parser of a combined grammar at build time and
# compiles them into the static library TARGET, which also carries the include
# path of the generated headers and ANTLR's runtime. The generated classes live
# in NAMESPACE; no visitor or listener is generated, since the parse tree is
# walked once, by hand, into an AST.
find_program(ANTLR4_TOOL antlr4 REQUIRED)
find_path(ANTLR4_INCLUDE_DIR antlr4-runtime.h PATH_SUFFIXES antlr4-runtime REQUIRED)
find_library(ANTLR4_LIBRARY antlr4-runtime REQUIRED)

function(colo_antlr target grammar namespace)
  get_filename_component(grammar ${grammar} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  get_filename_component(name ${grammar} NAME_WE)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name})
  set(outputs ${dir}/${name}Lexer.h ${dir}/${name}Lexer.cpp ${dir}/${name}Parser.h ${dir}/${name}Parser.cpp)
  # The tool mirrors a relative path of the grammar below -o: run it in the
  # grammar's folder.
  get_filename_component(grammar_dir ${grammar} DIRECTORY)
  add_custom_command(
    OUTPUT ${outputs}
    COMMAND ${ANTLR4_TOOL} -Dlanguage=Cpp -Werror -no-listener -no-visitor -package ${namespace} -o ${dir} ${name}.g4
    WORKING_DIRECTORY ${grammar_dir}
    DEPENDS ${grammar}
    COMMENT "Generating the parser of ${name}.g4"
    VERBATIM)
  add_library(${target} STATIC ${outputs})
  # Generated code is not ours to keep free of warnings.
  target_compile_options(${target} PRIVATE -w)
  target_include_directories(${target} SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR} ${dir} ${ANTLR4_INCLUDE_DIR})
  target_link_libraries(${target} PUBLIC ${ANTLR4_LIBRARY})
endfunction()
