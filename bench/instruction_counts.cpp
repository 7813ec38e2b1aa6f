// The hot CPU kernels of our own, each on one fixed shape in one thread, for callgrind to count
// their instructions (bench/count_instructions). Each runs twice, the second time inside
// `ito_counted`, where callgrind collects (--toggle-collect) and at whose end it writes its sums
// (--dump-after): a count holds no choice of the CPU's target, no symbol lookup and no first
// allocation. Inputs are constants, since none of these kernels branches on values. Direct
// convolutions are left out where oneDNN computes them.
//
// Prints the compiler, the target that Highway chose, and a line "name elements" for each kernel,
// in the order of callgrind's sums.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "engine/autograd/autograd.h"
#include "engine/core/math_mode.h"
#include "engine/core/parallel.h"
#include "kernels/advance/params.h"
#include "kernels/binary/params.h"
#include "kernels/cast/params.h"
#include "kernels/common/cpu_info.h"
#include "kernels/common/define_op.h"
#include "kernels/common/op_table.h"
#include "kernels/concat/params.h"
#include "kernels/mean_pool/params.h"
#include "kernels/ops.h"
#include "kernels/permute/params.h"
#include "kernels/reduce/params.h"
#include "kernels/scaled_sum/params.h"
#include "kernels/unary/params.h"
#include "kernels/upsample_nearest/params.h"

extern "C" __attribute__((noinline, used)) void ito_counted(void (*work)(void*), void* context) {
  work(context);
  asm volatile("" ::: "memory");  // so that `work` is called, and not jumped to as the last thing
}

namespace ito::bench {
namespace {

/// The compiler must not see what is called: it would count in a copy with another name.
void (*volatile counted)(void (*)(void*), void*) = ito_counted;

enum class Pass { forward, backward };

const OpInfo& op_named(std::string_view name) {
  for (const OpInfo* op : op_table()) {
    if (op->name == name) return *op;
  }
  throw ValueError("no op " + std::string(name));
}

Tensor make_input(const InputInit& init, DType dtype) {
  if (init.kind == InputInit::Kind::absent) return {};
  const DType kept = init.fixed_dtype ? init.dtype : dtype;
  if (init.kind != InputInit::Kind::values) return Tensor::full(init.shape, 0.5, kept);
  return ops::cast(Tensor::from(init.list, init.shape), kept);
}

/// One kernel with its tensors, ready to run.
class Case {
 public:
  Case(const OpInfo& op, const Sample& sample, DType dtype, Pass pass)
      : op_(op), attrs_(sample.attrs), pass_(pass) {
    for (const InputInit& init : sample.inputs) {
      x_.push_back(make_input(init, dtype));
      specs_.push_back(x_.back() ? spec_of(x_.back()) : Spec{.present = false});
      needs_.push_back(init.differentiable && x_.back());
    }
    for (const Spec& s : op.infer(specs_, attrs_.get())) {
      y_.push_back(Tensor::empty(s.shape, s.dtype));
    }
    forward();
    if (pass == Pass::forward) return;
    for (const Tensor& y : y_) gy_.push_back(Tensor::full(y.shape(), 0.5, y.dtype()));
    gy_.resize(static_cast<size_t>(op.visible_outputs));
    for (size_t i = 0; i < x_.size(); ++i) {
      gx_.push_back(needs_[i] ? Tensor::empty(x_[i].shape(), x_[i].dtype()) : Tensor());
    }
  }

  void run() { pass_ == Pass::forward ? forward() : backward(); }

  int64_t elements() const {
    int64_t most = 0;
    for (const Tensors& list : {x_, y_}) {
      for (const Tensor& t : list) most = std::max(most, t ? t.numel() : 0);
    }
    return most;
  }

 private:
  void forward() {
    Launch launch(kCpu);
    op_.forward(launch, x_, y_, attrs_.get());
  }
  void backward() {
    Launch launch(kCpu);
    if (op_.kind == OpKind::fused) return op_.backward(launch, gy_, x_, y_, gx_, attrs_.get());
    op_.gradient({gy_, x_, y_, specs_, needs_}, attrs_.get());
  }

  const OpInfo& op_;
  AnyAttrs attrs_;
  Pass pass_;
  Tensors x_, y_, gy_, gx_;
  Specs specs_;
  std::vector<bool> needs_;
};

void count(std::string_view op, const Sample& sample, DType dtype, Pass pass) {
  Case one(op_named(op), sample, dtype, pass);
  one.run();
  counted([](void* c) { static_cast<Case*>(c)->run(); }, &one);
  std::printf("%s/%s/%s/%s %lld\n", std::string(op).c_str(), sample.id.c_str(),
              std::string(name_of(dtype)).c_str(), pass == Pass::forward ? "forward" : "backward",
              static_cast<long long>(one.elements()));
}

/// In f32 and bf16.
void count_forward(std::string_view op, const Sample& sample) {
  for (const DType dtype : {DType::f32, DType::bf16}) count(op, sample, dtype, Pass::forward);
}
void count_both(std::string_view op, const Sample& sample) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    count(op, sample, dtype, Pass::forward);
    count(op, sample, dtype, Pass::backward);
  }
}

/// Global indices of `count` samples.
InputInit indices(int64_t count) {
  std::vector<double> list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0.0);
  return as(values({count}, list), DType::i64);
}

constexpr int64_t kChannels = 128;
const Shape kImage{2, 16, 16, kChannels}, kHalf{2, 8, 8, kChannels}, kState{4, 32, 32, 3};

/// Layers of the networks.
void count_layers() {
  const InputInit x = normal(kImage), half = normal(kHalf), c = normal({kChannels});
  const InputInit shift = normal({kImage[0], kChannels});
  const ops::DropoutAttrs drop{.rate = 0.1};
  count_both(
      "group_norm_silu",
      {"2x16x16x128", {x, c, c, absent(), absent()}, attrs(ops::GroupNormAttrs{.groups = 32})});
  count_both("group_norm_silu", {"2x16x16x128_shift_dropout",
                                 {x, c, c, shift, indices(kImage[0])},
                                 attrs(ops::GroupNormAttrs{.groups = 32, .dropout = drop})});
  const std::vector<double> taps = {1, 3, 3, 1};
  const ops::FirAttrs up = ops::upsampling(taps), down = ops::downsampling(taps);
  count_both(
      "group_norm_silu_fir",
      {"up_2x8x8x128", {half, c, c}, attrs(ops::GroupNormFirAttrs{.groups = 32, .fir = up})});
  count_both(
      "group_norm_silu_fir",
      {"down_2x16x16x128", {x, c, c}, attrs(ops::GroupNormFirAttrs{.groups = 32, .fir = down})});
  count_both("fir_resample", {"up_2x8x8x128", {half}, attrs(up)});
  count_both("fir_resample", {"down_2x16x16x128", {x}, attrs(down)});
  count_both("fir_resample", {"down_4x32x32x3", {normal(kState)}, attrs(down)});
  const InputInit tokens = normal({1, 256, 64});
  count_both("attention",
             {"1x256x64", {tokens, tokens, tokens}, attrs(ops::AttentionAttrs{.scale = 0.125})});
  count_forward("softmax",
                {"256x256", {normal({256, 256})}, op_named("softmax").bench_samples()[0].attrs});
  count_forward("matmul", {"linear_256x128x128",
                           {normal({256, 128}), normal({128, 128}), c},
                           attrs(ops::MatmulAttrs{.b = ops::Transpose::yes})});
  count_forward("scaled_sum", {"2x16x16x128", {x, x}, attrs(ScaledSumAttrs{0.7, 0.7})});
  count_forward("upsample_nearest", {"2x8x8x128", {half}, attrs(UpsampleAttrs{2})});
  count_forward("mean_pool", {"2x16x16x128", {x}, attrs(MeanPoolAttrs{2})});
  count_forward("concat", {"skip_2x16x16x128", {x, x}, attrs(ConcatAttrs{3})});
  count_forward("dropout", {"2x16x16x128", {x, indices(kImage[0])}, attrs(drop)});
}

/// Winograd's convolutions, forward and both gradients.
void count_convolutions() {
  setenv("ITO_CPU_CONVOLUTION", "winograd", 1);
  set_math_mode(MathMode::fast);
  count_both("conv2d", {"winograd_2x16x16x64_64",
                        {normal({2, 16, 16, 64}), normal({64, 3, 3, 64}), normal({64})},
                        attrs(ops::Conv2dAttrs{1, 1, 1, 1, 1, 1})});
  set_math_mode(MathMode::exact);
}

/// Direct convolutions that are our own: the weights' gradient, small images with many channels.
void count_direct_convolutions() {
  const ops::Conv2dAttrs same{1, 1, 1, 1, 1, 1};
  count("conv2d_dw",
        {"2x16x16x64_64",
         {normal({2, 16, 16, 64}), normal({2, 16, 16, 64})},
         attrs(ops::Conv2dDwAttrs{same, {64, 3, 3, 64}})},
        DType::f32, Pass::forward);
  count("conv2d",
        {"4x4x4x128_128",
         {normal({4, 4, 4, kChannels}), normal({kChannels, 3, 3, kChannels}), normal({kChannels})},
         attrs(same)},
        DType::f32, Pass::forward);
}

/// Pieces that layers and losses are put together from.
void count_pieces() {
  const InputInit x = normal(kImage), c = normal({kChannels});
  count_forward("binary", {"add_2x16x16x128", {x, x}, attrs(BinaryAttrs{ops::BinaryKind::add})});
  count_forward("binary",
                {"channels_2x16x16x128", {x, c}, attrs(BinaryAttrs{ops::BinaryKind::add})});
  count_forward("unary",
                {"silu_64k", {normal({1 << 16})}, attrs(UnaryAttrs{ops::UnaryKind::silu})});
  count_forward(
      "unary",
      {"linear_64k", {normal({1 << 16})}, attrs(UnaryAttrs{ops::UnaryKind::linear, 2, 1})});
  count_forward("reduce",
                {"channels_2x16x16x128", {x}, attrs(ReduceAttrs{ops::ReduceKind::sum, 0, 2})});
  count_forward(
      "reduce",
      {"rows_256x256", {normal({256, 256})}, attrs(ReduceAttrs{ops::ReduceKind::sum, 1, 1})});
  count_forward("permute", {"nchw_to_nhwc_2x128x16x16",
                            {normal({2, kChannels, 16, 16})},
                            attrs(PermuteAttrs{{0, 2, 3, 1}})});
  count_forward("permute",
                {"heads_2x256x4x32", {normal({2, 256, 4, 32})}, attrs(PermuteAttrs{{0, 2, 1, 3}})});
  const InputInit flat = normal({1 << 16});
  count("cast", {"to_bf16_64k", {flat}, attrs(CastAttrs{DType::bf16})}, DType::f32, Pass::forward);
  count("cast", {"to_f32_64k", {flat}, attrs(CastAttrs{DType::f32})}, DType::bf16, Pass::forward);
  count_forward("accumulate",
                {"64k", {flat, flat}, op_named("accumulate").bench_samples()[0].attrs});
}

/// Updates of parameters and of a sampler's state, and noise.
void count_updates() {
  const InputInit p = normal({1 << 16});
  count("adam_ema_step", {"64k", {p, p, p, p, p}, attrs(ops::AdamEmaAttrs{})}, DType::f32,
        Pass::forward);
  const InputInit x = normal(kState), sample = indices(kState[0]), per_sample = normal({kState[0]});
  const InputInit row = as(values({1}, {0}), DType::i64);
  const auto table = [](std::vector<double> list) {
    const auto columns = static_cast<int64_t>(list.size());
    return as(values({1, columns}, std::move(list)), DType::f64);
  };
  const auto count_f32 = [](std::string_view op, const Sample& s) {
    count(op, s, DType::f32, Pass::forward);
  };
  count_f32("noise",
            {"normal_4x32x32x3", {sample}, attrs(ops::NoiseAttrs{.sample_shape = {32, 32, 3}})});
  count_f32("perturb", {"4x32x32x3", {x, per_sample, per_sample, sample}, attrs(NoiseKey{})});
  count_f32("affine_noise_step", {"4x32x32x3",
                                  {x, x, table({1, 1, 1}), row, sample, absent()},
                                  attrs(ops::AffineNoiseAttrs{})});
  count_f32("langevin_step",
            {"4x32x32x3", {x, x, table({1}), row, sample, absent()}, attrs(ops::LangevinAttrs{})});
  count_f32("advance", {"1024",
                        {as(values({1024}, std::vector<double>(1024, 0)), DType::i64)},
                        attrs(AdvanceAttrs{1})});
}

}  // namespace
}  // namespace ito::bench

int main() {
  ito::set_num_threads(1);
  const ito::NoGradScope off;
  std::printf("compiler %s %d.%d\n",
#if defined(__clang__)
              "clang", __clang_major__, __clang_minor__
#else
              "g++", __GNUC__, __GNUC_MINOR__
#endif
  );
  std::printf("target %s\n", ito::cpu_info().targets.front().c_str());
  ito::bench::count_layers();
  ito::bench::count_convolutions();
  ito::bench::count_direct_convolutions();
  ito::bench::count_pieces();
  ito::bench::count_updates();
  return 0;
}
