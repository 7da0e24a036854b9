# cmake/unicode_weights.cmake — the weights of the vindexes unicode_loose_*: SLUICE_UNICODE_WEIGHTS is the file
# unicode_weights.inc, or empty when they cannot be had (the build goes on, these vindexes are refused by name).
#
# SLUICE_FETCH_WEIGHTS  whether the package that they come from may be downloaded (tools/gen_unicode_weights)
option(SLUICE_FETCH_WEIGHTS "download the package with the weights of unicode_loose_* if it is not there" ON)

set(SLUICE_UNICODE_WEIGHTS "")
set(weights ${CMAKE_BINARY_DIR}/generated/unicode_weights.inc)
find_program(SLUICE_PYTHON3 NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(SLUICE_PYTHON3 NAMES python3)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/gen_unicode_weights)
if(SLUICE_PYTHON3)
  set(fetch)
  if(SLUICE_FETCH_WEIGHTS)
    set(fetch --fetch)
  endif()
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated)
  execute_process(COMMAND ${SLUICE_PYTHON3} ${CMAKE_SOURCE_DIR}/tools/gen_unicode_weights ${fetch} --out ${weights}
    RESULT_VARIABLE failed ERROR_VARIABLE why ERROR_STRIP_TRAILING_WHITESPACE)
else()
  set(failed 1)
  set(why "python3 not found")
endif()
if(failed)
  message(STATUS "vindexes unicode_loose_* are left out: ${why}")
else()
  set(SLUICE_UNICODE_WEIGHTS ${weights})
endif()
