#include "models/mlp.h"

#include "kernels/binary/op.h"
#include "kernels/cast/op.h"
#include "kernels/reshape/op.h"
#include "kernels/unary/op.h"

namespace ito::nn {

Mlp::Mlp(const ModelConfig& model, const ImageConfig& image, Init init)
    : model_(model), image_(image) {
  model.validate();
  embedding_ = TimeEmbedding(init, model, model.num_classes);
  const int features = image.image_size * image.image_size * image.channels;
  // Weights of variance 4 / features: by the usual rule, for which the many outputs count, hidden
  // units would be almost linear in the few inputs, and the field too smooth.
  input_ = Linear(init, features, model.nf, 2.0 * (features + model.nf) / features);
  for (int i = 0; i < model.num_res_blocks; ++i) {
    Linear linear(init, model.nf, model.nf);
    layers_.push_back({std::move(linear), Linear(init, 4 * model.nf, model.nf)});
  }
  output_ = Linear(init, model.nf, model.output_channels(features), model.init_scale);
}

Tensor Mlp::forward(const Tensor& x, const Tensor& labels, const ForwardOptions& options) const {
  const DType dtype = input_.weight.dtype();
  const Activation f = embedding_.activation;
  const Tensor e = embedding_(labels, dtype, options.classes);  // [N, 4 nf]
  const Tensor centred = image_.centered ? x : 2.0 * x - 1.0;
  Tensor h = input_(ops::cast(ops::flatten(centred), dtype));  // [N, nf]
  for (const Layer& layer : layers_) {
    Tensor u = layer.linear(activate(f, h));
    if (e) u = u + layer.embedding(e);
    h = residual_sum(h, activate(f, u), SkipScale::one);
  }
  const Shape shape = x.shape().with(3, model_.output_channels(image_.channels));
  const Tensor y = ops::reshape(ops::cast(output_(activate(f, h)), x.dtype()), shape);
  return model_.scale_by_sigma ? embedding_.divide_by_sigma(y, labels, image_) : y;
}

void Mlp::Layer::list(ParameterList& list) {
  list.part("linear", "linear", linear);
  list.part("embedding", "embedding", embedding);
}

void Mlp::list(ParameterList& list) {
  if (embedding_.kind == TimeEmbedding::Kind::fourier) {
    list.add("embedding.frequencies", "embedding.W", embedding_.frequencies, ReferenceLayout::same,
             Training::frozen);
  }
  if (embedding_.linear0) {
    list.part("embedding.linear0", "embedding.linear0", *embedding_.linear0);
    list.part("embedding.linear1", "embedding.linear1", *embedding_.linear1);
  }
  if (embedding_.classes) list.add("embedding.classes", "embedding.classes", embedding_.classes);
  list.part("input", "input", input_);
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string name = "layer." + std::to_string(i);
    list.part(name, name, layers_[i]);
  }
  list.part("output", "output", output_);
}

}  // namespace ito::nn
