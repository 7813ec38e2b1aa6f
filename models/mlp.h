// A multilayer perceptron for 2-D data.
#pragma once

#include "models/layers/time_embedding.h"

namespace ito::nn {

/// Points [N, 1, 1, channels] through num_res_blocks hidden layers of width nf, each with the
/// embedding of time and class added before its activation and a residual connection.
class Mlp final : public Network {
 public:
  Mlp(const ModelConfig& model, const ImageConfig& image, Init init);

  Tensor forward(const Tensor& x, const Tensor& labels,
                 const ForwardOptions& options) const override;
  int classes() const override { return model_.num_classes; }
  void list(ParameterList& list) override;
  std::unique_ptr<Network> clone() const override { return std::make_unique<Mlp>(*this); }

 private:
  struct Layer {
    Linear linear, embedding;
    void list(ParameterList& list);
  };

  ModelConfig model_;
  ImageConfig image_;
  TimeEmbedding embedding_;
  Linear input_, output_;
  std::vector<Layer> layers_;
};

}  // namespace ito::nn
