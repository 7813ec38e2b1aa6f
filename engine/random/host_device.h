// ITO_HD marks a function that is compiled for the host and for the CUDA device from one source.
#pragma once

#ifdef __CUDACC__
#define ITO_HD __host__ __device__
#else
#define ITO_HD
#endif
