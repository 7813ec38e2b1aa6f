# Settings shared by all targets. Everything here applies to our own targets only: a project that
# adds us with add_subdirectory keeps its flags, its output folders and its tests.
include(GNUInstallDirs)

find_program(ITO_CCACHE ccache)
mark_as_advanced(ITO_CCACHE)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# x86: AVX2 is the least that we run on (kernels choose AVX-512 at run time).
set(ito_isa_flags "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(ito_isa_flags -march=x86-64-v3 -maes -mpclmul)
endif()

# Flags of every target of ours. Contraction is off so that the same source gives the same bits with
# every compiler and optimisation level; kernels write fused multiply-adds where they want them.
function(ito_configure target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE -ffp-contract=off -fno-math-errno ${ito_isa_flags})
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  if(ITO_DEVELOPER)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Werror
      -Wno-missing-field-initializers  # designated initialisers leave defaults on purpose
      # g++ 12 reports these falsely at -O3.
      "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized;-Wno-stringop-overread>")
  endif()
  if(ITO_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${ITO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${ITO_SANITIZE})
  endif()
  if(ITO_CCACHE)
    set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER ${ITO_CCACHE})
  endif()
endfunction()

# ito_library(name SOURCES ... LINK ...): the target of one folder, `ito_name`, alias `ito::name`.
function(ito_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;PRIVATE" ${ARGN})
  add_library(ito_${name} ${arg_SOURCES})
  add_library(ito::${name} ALIAS ito_${name})
  target_include_directories(ito_${name} PUBLIC
    $<BUILD_INTERFACE:${Ito_SOURCE_DIR}> $<BUILD_INTERFACE:${Ito_BINARY_DIR}/generated>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/ito>)
  target_link_libraries(ito_${name} PUBLIC ${arg_LINK})
  foreach(library IN LISTS arg_PRIVATE)
    target_link_libraries(ito_${name} PRIVATE ${library})
  endforeach()
  set_target_properties(ito_${name} PROPERTIES EXPORT_NAME ${name})
  ito_configure(ito_${name})
endfunction()

# ito_program(name SOURCES ... LINK ...): an executable in build/<preset>/bin.
function(ito_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${Ito_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${Ito_BINARY_DIR}/bin)
  ito_configure(${name})
endfunction()

# ito_test(name SOURCES ... LINK ... [LABELS ...]): a GoogleTest binary; ctest lists its tests one by one.
function(ito_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK;LABELS" ${ARGN})
  ito_program(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 900)
endfunction()
