#include "models/layers/time_embedding.h"

#include <cmath>

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/fourier_embedding/op.h"
#include "kernels/gather/op.h"
#include "kernels/reshape/op.h"
#include "kernels/sinusoidal_embedding/op.h"
#include "kernels/slice/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {

TimeEmbedding::TimeEmbedding(Init& init, const ModelConfig& model, int class_count)
    : width(model.nf), activation(activation_of(model.nonlinearity)) {
  if (model.embedding_type == "fourier") {
    kind = Kind::fourier;
    frequencies = init.normal({model.nf}, model.fourier_scale);
    width = 2 * model.nf;
  }
  if (!model.conditional) return;
  linear0 = Linear(init, width, 4 * model.nf);
  linear1 = Linear(init, 4 * model.nf, 4 * model.nf);
  if (class_count > 0) classes = init.normal({class_count + 1, 4 * model.nf}, 1);
}

Tensor TimeEmbedding::with_class(const Tensor& temb, const Tensor& y) const {
  if (!classes) {
    ITO_CHECK(!y, ValueError, "this network takes no class");
    return temb;
  }
  // The row itself, for no class: an index in host memory would keep the pass out of graphs.
  return temb + (y ? ops::gather(classes, y)
                   : ops::slice(classes, 0, classes.size(0) - 1, classes.size(0)));
}

Tensor TimeEmbedding::operator()(const Tensor& labels, DType dtype, const Tensor& y) const {
  if (!linear0) return {};
  const Tensor e =
      kind == Kind::fourier
          ? ops::fourier_embedding(ops::log(labels), ops::cast(frequencies, labels.dtype()))
          : ops::sinusoidal_embedding(labels, width);  // [N, width]
  const Tensor h = (*linear0)(ops::cast(e, dtype));    // [N, 4 nf]
  return activate(activation, with_class((*linear1)(activate(activation, h)), y));
}

Tensor TimeEmbedding::divide_by_sigma(const Tensor& output, const Tensor& labels,
                                      const ImageConfig& levels) const {
  Tensor sigma = labels;
  if (kind == Kind::positional) {
    std::vector<double> table;
    const double low = std::log(levels.sigma_min), high = std::log(levels.sigma_max);
    for (int i = 0; i < levels.num_scales; ++i) {
      const double u = levels.num_scales > 1 ? i / (levels.num_scales - 1.0) : 0;
      table.push_back(std::exp(high + (low - high) * u));
    }
    const Tensor sigmas = Tensor::from(table, {levels.num_scales}, labels.device());
    sigma = ops::gather(ops::cast(sigmas, output.dtype()), ops::cast(labels, DType::i64));
  }
  return output / ops::reshape(sigma, Shape{output.size(0), 1, 1, 1});
}

}  // namespace ito::nn
