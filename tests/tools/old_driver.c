// Stands in for libcuda.so.1 of a driver that is too old for this program.
#include <string.h>

enum { kSuccess = 0, kNotFound = 500, kSymbolNotFound = 1, kCuda124 = 12040 };

int cuInit(unsigned flags) {
  (void)flags;
  return kSuccess;
}

int cuDriverGetVersion(int* version) {
  *version = kCuda124;
  return kSuccess;
}

int cuGetProcAddress_v2(const char* symbol, void** function, int version, unsigned long long flags,
                        int* status) {
  (void)version, (void)flags;
  *function = 0;
  if (strcmp(symbol, "cuInit") == 0) *function = (void*)cuInit;
  if (strcmp(symbol, "cuDriverGetVersion") == 0) *function = (void*)cuDriverGetVersion;
  if (strcmp(symbol, "cuGetProcAddress") == 0) *function = (void*)cuGetProcAddress_v2;
  if (*function != 0) return kSuccess;
  if (status != 0) *status = kSymbolNotFound;
  return kNotFound;
}
