// The table of a network's layers, against sizes known from its construction.
#include "models/layer_table.h"

#include <gtest/gtest.h>

#include "models/make.h"

namespace ito::nn {
namespace {

/// The output of a layer, and the table's parameters against the network's.
class Table {
 public:
  Table(const ModelConfig& model, const ImageConfig& image) {
    const auto network = make_network(model, image, 1);
    rows_ = layer_table(*network, image);
    int64_t sum = 0;
    for (const LayerRow& row : rows_) sum += row.parameters;
    EXPECT_EQ(sum, count_parameters(*network, Training::trained) +
                       count_parameters(*network, Training::frozen));
  }
  std::string output(const std::string& name) const {
    for (const LayerRow& row : rows_) {
      if (row.name == name) return to_string(row.output);
    }
    return "no layer " + name;
  }

 private:
  std::vector<LayerRow> rows_;
};

ModelConfig unet() {
  ModelConfig model;
  model.nf = 8;
  model.ch_mult = {1, 2, 3};
  model.num_res_blocks = 1;
  model.attn_resolutions = {12};
  return model;
}

TEST(LayerTable, UNet) {
  for (const bool fir : {false, true}) {
    ModelConfig model = unet();
    model.fir = fir;
    model.progressive_input = fir ? "residual" : "none";
    const Table table(model, {.image_size = 24, .channels = 3});  // 12, 6
    EXPECT_EQ(table.output("input"), to_string(Shape{1, 24, 24, 8}));
    EXPECT_EQ(table.output("embedding.linear0"), to_string(Shape{1, 32}));
    EXPECT_EQ(table.output("down.0.block.0.conv1"), to_string(Shape{1, 24, 24, 8}));
    EXPECT_EQ(table.output("down.0.down.conv0"), to_string(Shape{1, 12, 12, 8}));
    EXPECT_EQ(table.output("down.1.block.0.conv0"), to_string(Shape{1, 12, 12, 16}));
    EXPECT_EQ(table.output("down.1.attention.0.query"), to_string(Shape{144, 16}));
    EXPECT_EQ(table.output("middle.attention.query"), to_string(Shape{36, 24}));
    EXPECT_EQ(table.output("middle.block.0.conv0"), to_string(Shape{1, 6, 6, 24}));
    EXPECT_EQ(table.output("up.2.up.conv1"), to_string(Shape{1, 12, 12, 24}));
    EXPECT_EQ(table.output("output.conv"), to_string(Shape{1, 24, 24, 3}));
  }
}

TEST(LayerTable, RefineNetAndMlp) {
  ModelConfig model = unet();
  model.name = "ncsnv2_64";
  const Table refinenet(model, {.image_size = 32, .channels = 1});
  EXPECT_EQ(refinenet.output("stage.0.block.0.norm0"), to_string(Shape{1, 32, 32, 8}));
  EXPECT_EQ(refinenet.output("stage.3.block.1.conv1"), to_string(Shape{1, 16, 16, 16}));
  EXPECT_EQ(refinenet.output("refine.0.output.2.1.conv"), to_string(Shape{1, 32, 32, 8}));

  model = unet();
  model.name = "mlp";
  model.init_scale = 1;
  const Table mlp(model, {.image_size = 1, .channels = 2});
  EXPECT_EQ(mlp.output("input"), to_string(Shape{1, 8}));
  EXPECT_EQ(mlp.output("output"), to_string(Shape{1, 2}));
}

/// Blocks of an unconditional network own a projection of the embedding that nothing uses.
TEST(LayerTable, UnusedLayersHaveNoOutput) {
  ModelConfig model = unet();
  model.conditional = false;
  const Table table(model, {.image_size = 24, .channels = 3});
  EXPECT_EQ(table.output("down.0.block.0.dense0"), to_string(Shape{}));
}

}  // namespace
}  // namespace ito::nn
