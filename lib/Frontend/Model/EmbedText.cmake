# cmake -DINPUT=FILE -DOUTPUT=HEADER -P EmbedText.cmake
#
# Writes the text of a file as a C++ array of characters, which unlike a string
# literal has no limit on its length.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE ${OUTPUT} "namespace colo::model {\nstatic const char preludeText[] = {${bytes}'\\0'};\n}\n")
