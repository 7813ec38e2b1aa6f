#include "tools/run/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace ito::tools {
namespace {

volatile std::sig_atomic_t requests = 0;

void on_signal(int) {
  if (requests != 0) _exit(130);
  requests = 1;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return requests != 0; }

}  // namespace ito::tools
