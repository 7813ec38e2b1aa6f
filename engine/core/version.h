// The version of Ito. CMake reads it from here.
#pragma once

#define ITO_VERSION_MAJOR 0
#define ITO_VERSION_MINOR 1
#define ITO_VERSION_PATCH 0
#define ITO_VERSION "0.1.0"
