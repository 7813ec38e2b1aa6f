// Tensors, derivatives, and derivatives of derivatives.
#include <cstdio>

#include "engine/autograd/autograd.h"
#include "kernels/ops.h"

int main() {
  using namespace ito;

  // x is a leaf of the tape: what is computed from it can be differentiated.
  Tensor x = Tensor::from(std::vector<double>{1, 2, 3}, {3});
  x.set_requires_grad();

  const Tensor energy = ops::sum(ops::square(x) * x);                 // sum x^3
  const Tensor force = grad(energy, {x}, {.create_graph = true})[0];  // 3 x^2
  const Tensor curvature = grad(ops::sum(force), {x})[0];             // 6 x

  for (int i = 0; i < 3; ++i) {
    std::printf("x %g  gradient %g  second derivative %g\n", x.data<double>()[i],
                force.data<double>()[i], curvature.data<double>()[i]);
  }

  // Mistakes are exceptions that name op, rule and inputs.
  try {
    ops::add(x, Tensor::zeros({2}, DType::f64));
  } catch (const ShapeError& e) {
    std::printf("%s\n", e.what());
  }
}
