// The 39 configurations of Song et al. 2021's public code: every one is valid, and its network has
// the published number of parameters.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/autograd/autograd.h"
#include "kernels/reduce/op.h"
#include "kernels/unary/op.h"
#include "models/layer_table.h"
#include "models/make.h"
#include "models/presets/presets.h"
#include "tools/config/config.h"

namespace ito::tools {
namespace {

struct Published {
  const char* preset;
  int64_t parameters;  ///< frozen ones included
};

// Counted from the reference's configurations. Those of ncsn follow from ncsnv2_64: N noise levels
// put a table of N x 3C in the place of 3C numbers in norms with 3456 channels together, and add
// such norms with 11008 channels to the refine blocks. cifar10_unconditional is cifar10 without the
// two layers of its embedding (66048 and 262656).
constexpr Published kPublished[] = {
    {"subvp/cifar10_ddpm_continuous", 35'218'947},
    {"subvp/cifar10_ddpmpp_continuous", 61'804'419},
    {"subvp/cifar10_ddpmpp_deep_continuous", 106'632'579},
    {"subvp/cifar10_ncsnpp_continuous", 62'693'251},
    {"subvp/cifar10_ncsnpp_deep_continuous", 107'521'411},
    {"ve/bedroom_ncsnpp_continuous", 65'574'549},
    {"ve/celeba_ncsnpp", 62'693'251},
    {"ve/celebahq_256_ncsnpp_continuous", 65'574'549},
    {"ve/celebahq_ncsnpp_continuous", 105'785'896},
    {"ve/church_ncsnpp_continuous", 65'574'549},
    {"ve/cifar10_ddpm", 35'218'947},
    {"ve/cifar10_ncsnpp", 62'693'251},
    {"ve/cifar10_ncsnpp_continuous", 62'758'915},
    {"ve/cifar10_ncsnpp_deep_continuous", 107'587'075},
    {"ve/ffhq_256_ncsnpp_continuous", 65'574'549},
    {"ve/ffhq_ncsnpp_continuous", 105'785'896},
    {"ve/ncsn/celeba", 30'117'635},
    {"ve/ncsn/celeba_124", 51'379'715},
    {"ve/ncsn/celeba_1245", 51'379'715},
    {"ve/ncsn/celeba_5", 30'117'635},
    {"ve/ncsn/cifar10", 30'117'635},
    {"ve/ncsn/cifar10_124", 39'750'659},
    {"ve/ncsn/cifar10_1245", 39'750'659},
    {"ve/ncsn/cifar10_5", 30'117'635},
    {"ve/ncsnv2/bedroom", 83'445'379},
    {"ve/ncsnv2/celeba", 29'694'083},
    {"ve/ncsnv2/cifar10", 29'694'083},
    {"vp/cifar10_ddpmpp", 61'804'419},
    {"vp/cifar10_ddpmpp_continuous", 61'804'419},
    {"vp/cifar10_ddpmpp_deep_continuous", 106'632'579},
    {"vp/cifar10_ncsnpp", 62'693'251},
    {"vp/cifar10_ncsnpp_continuous", 62'693'251},
    {"vp/cifar10_ncsnpp_deep_continuous", 107'521'411},
    {"vp/ddpm/bedroom", 111'569'923},
    {"vp/ddpm/celebahq", 111'569'923},
    {"vp/ddpm/church", 111'569'923},
    {"vp/ddpm/cifar10", 35'218'947},
    {"vp/ddpm/cifar10_continuous", 35'218'947},
    {"vp/ddpm/cifar10_unconditional", 34'890'243},
};

Config preset(std::string_view name) { return load_config({.preset = std::string(name)}); }

TEST(Presets, EveryOneIsValid) {
  for (const nn::Preset& p : nn::presets()) {
    SCOPED_TRACE(p.name);
    EXPECT_NO_THROW(preset(p.name).validate());
  }
}

TEST(Presets, NetworksHaveThePublishedSizes) {
  EXPECT_EQ(std::size(kPublished), 39u);
  for (const Published& p : kPublished) {
    const Config config = preset(p.preset);
    const auto network = nn::make_network_shapes(config.model, config.image());
    EXPECT_EQ(nn::count_parameters(*network, nn::Training::trained) +
                  nn::count_parameters(*network, nn::Training::frozen),
              p.parameters)
        << p.preset;
  }
}

/// On the device without data: shapes, the tape and its gradients at full size.
TEST(Presets, NetworksRunForwardAndBackwardAtFullSize) {
  for (const Published& p : kPublished) {
    SCOPED_TRACE(p.preset);
    const Config config = preset(p.preset);
    const auto network = nn::make_network_shapes(config.model, config.image());
    const nn::Footprint needs = nn::footprint(*network, config.image(), 1);
    EXPECT_GT(needs.flops, 2e8);
    EXPECT_GT(needs.training_bytes, needs.sampling_bytes);
  }
}

/// With numbers, on images as small and channels as few as the network takes.
TEST(Presets, ShrunkenNetworksRunForwardAndBackward) {
  for (const Published& p : kPublished) {
    SCOPED_TRACE(p.preset);
    Config config = preset(p.preset);
    config.data.image_size = 1 << config.model.ch_mult.size();
    config.model.nf = config.model.name == "ddpm" ? 32 : 8;
    const auto network = nn::make_network(config.model, config.image(), 1);
    Tensors wrt;
    for (const nn::Parameter& parameter : nn::parameters_of(*network)) {
      if (parameter.training == nn::Training::trained)
        wrt.push_back(parameter.value->set_requires_grad());
    }
    const int64_t size = config.data.image_size;
    const Tensor x = Tensor::full({2, size, size, 3}, 0.3, DType::f32);
    const Tensor y = network->forward(x, Tensor::full({2}, 3, DType::f32));
    EXPECT_EQ(y.shape(), x.shape());
    double sum = 0;
    for (const Tensor& g : grad(y, wrt, {.seeds = {x}, .allow_unused = true})) {
      if (g) sum += ops::sum(ops::square(g)).item();
    }
    EXPECT_TRUE(std::isfinite(sum) && sum > 0) << sum;
  }
}

/// Numbers that reading a table wrongly would change.
TEST(Presets, ValuesArePublished) {
  const Config cifar = preset("ve/cifar10_ncsnpp_continuous");
  EXPECT_EQ(cifar.train.max_steps, 1300001);
  EXPECT_EQ(cifar.sampling.snr, 0.16);
  EXPECT_EQ(cifar.optim.ema_rate, 0.999);
  EXPECT_FALSE(cifar.data.centered);
  const Config ffhq = preset("ve/ffhq_ncsnpp_continuous");
  EXPECT_EQ(ffhq.sde.sigma_max, 1348);
  EXPECT_TRUE(ffhq.objective.reduce_mean);
  EXPECT_EQ(ffhq.train.batch, 8);
  const Config ddpm = preset("vp/ddpm/church");
  EXPECT_EQ(ddpm.optim.lr, 2e-5);
  EXPECT_EQ(ddpm.objective.kind, "ddpm");
  EXPECT_EQ(ddpm.sampling.predictor, "ancestral_sampling");
  const Config ncsnv2 = preset("ve/ncsnv2/bedroom");
  EXPECT_FALSE(ncsnv2.objective.continuous);
  EXPECT_EQ(ncsnv2.sde.num_scales, 1086);
  EXPECT_EQ(ncsnv2.sampling.corrector_steps, 3);
  EXPECT_EQ(ncsnv2.optim.grad_clip, -1);
}

/// What the code takes for granted of continuous and discrete training.
TEST(Presets, DiscreteNetworksAreTrainedOnIndices) {
  for (const Published& p : kPublished) {
    const Config c = preset(p.preset);
    SCOPED_TRACE(p.preset);
    const bool named = std::string_view(p.preset).ends_with("_continuous");
    EXPECT_EQ(c.objective.continuous, named);
    EXPECT_EQ(c.model.embedding_type == "fourier", named && c.sde.name == "ve");
    EXPECT_EQ(c.data.centered, c.sde.name != "ve");
    EXPECT_EQ(c.sampling.steps, c.sde.num_scales);
  }
}

}  // namespace
}  // namespace ito::tools
