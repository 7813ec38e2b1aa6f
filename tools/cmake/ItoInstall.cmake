# Installation: one target per folder in the package Ito, the umbrella ito::ito, headers under
# include/ito, a pkg-config file, and the program.
include(CMakePackageConfigHelpers)

# Programs for the emulator are for our tests; an installed library does not carry it.
if(NOT ITO_INSTALL OR ITO_EMULATOR_VARIANTS)
  return()
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Ito)
install(TARGETS ito_ito ito_engine ito_kernels ito_models ito_sde ito_samplers EXPORT ItoTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET ito_cuda_kernels)
  install(TARGETS ito_cuda_kernels ito_gpu_libraries EXPORT ItoTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(EXPORT ItoTargets NAMESPACE ito:: DESTINATION ${package_folder})
foreach(folder engine models sde samplers)
  install(DIRECTORY ${Ito_SOURCE_DIR}/${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ito
    FILES_MATCHING PATTERN "*.h" PATTERN "presets" EXCLUDE)
endforeach()
install(DIRECTORY ${Ito_SOURCE_DIR}/kernels DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ito
  FILES_MATCHING PATTERN "op.h" PATTERN "op_table.h" PATTERN "neighbours.h" PATTERN "segment.h"
  PATTERN "emulator" EXCLUDE)
install(FILES ${Ito_BINARY_DIR}/generated/kernels/ops.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ito/kernels)
if(TARGET ito)
  install(TARGETS ito DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(ITO_PC_ONEDNN "")
if(ITO_ONEDNN_LIBRARY AND NOT ITO_ONEDNN STREQUAL "OFF")
  set(ITO_PC_ONEDNN "-ldnnl -ldl")
endif()
set(ITO_PC_CUDA "")
if(ITO_HAVE_CUDA)
  set(ITO_PC_CUDA "-lito_cuda_kernels -lito_gpu_libraries -lito_engine -L${CUDAToolkit_LIBRARY_DIR} -lcudart_static -lrt -ldl")
endif()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ItoConfig.cmake.in
  ${Ito_BINARY_DIR}/ItoConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${Ito_BINARY_DIR}/ItoConfigVersion.cmake
  VERSION ${Ito_VERSION} COMPATIBILITY SameMinorVersion)
configure_file(${CMAKE_CURRENT_LIST_DIR}/ito.pc.in ${Ito_BINARY_DIR}/ito.pc @ONLY)
install(FILES ${Ito_BINARY_DIR}/ItoConfig.cmake ${Ito_BINARY_DIR}/ItoConfigVersion.cmake
  DESTINATION ${package_folder})
install(FILES ${Ito_BINARY_DIR}/ito.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
