// Convolutions by oneDNN in exact mode: direct algorithms only, every primitive on one thread and
// for one image or a fixed part of it, so that nothing depends on the batch or the thread count.
//
// Activations stay in NHWC; weights are put into the library's own order at every call, or once if
// their storage keeps what is derived from it.
#include "kernels/conv2d/cpu.h"

#if defined(ITO_HAVE_ONEDNN)

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <unordered_map>

#include "engine/core/parallel.h"
#include "kernels/common/onednn.h"
#include "kernels/common/onednn_call.h"
#include "kernels/common/scratch_slots.h"

namespace ito {
namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;

/// A primitive for part of a convolution. Offsets are in elements from the start of an image.
struct Piece {
  dnnl::primitive primitive;
  memory::desc x, y, bias, scratch;
  int64_t x_offset = 0, y_offset = 0;
};

/// Conversion of some output channels between [co, kh, kw, ci] and the library's order.
struct WeightsSlice {
  memory::desc plain, packed;
  dnnl::reorder reorder;
};

/// Everything that one configuration needs.
struct Plan {
  std::vector<Piece> pieces;  ///< forward, dx: bands of one image. dw: a full group of images, and
                              ///< the last one where it is smaller
  memory::desc packed;        ///< weights in the library's order
  std::vector<WeightsSlice> slices;
  int64_t scratch_bytes = 0;  ///< the most that a piece needs
};

/// What to ask the library for.
struct Request {
  ConvDirection direction;
  memory::data_type type;  ///< of the activations, and of weights that are read
  bool bias;

  memory::data_type packed_type() const {
    return direction == ConvDirection::dw ? memory::data_type::f32 : type;
  }
};

memory::dims weights_dims(const Conv2dParams& p) { return {p.co, p.ci, p.kh, p.kw}; }

/// oneDNN has nothing good for this shape, cut in this way.
struct NoKernel {};

template <class Primitive>
void finish(Piece& piece, memory::desc& packed, const typename Primitive::primitive_desc& desc) {
  // The library's plain loops are hundreds of times slower than the portable path.
  if (std::string_view(desc.impl_info_str()).starts_with("ref")) {
    throw NoKernel();
  }
  if constexpr (std::is_same_v<Primitive, dnnl::convolution_backward_weights>) {
    packed = desc.diff_weights_desc();
  } else {
    packed = desc.weights_desc();
  }
  piece.scratch = desc.scratchpad_desc();
  piece.primitive = Primitive(desc);
}

/// A primitive for the convolution p. `packed` is the order of the weights that is wanted, then the
/// one chosen. Throws dnnl::error if there is none.
Piece make_piece(const Request& request, const Conv2dParams& p, memory::desc& packed) {
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;
  const auto algorithm = dnnl::algorithm::convolution_direct;
  const auto kind = dnnl::prop_kind::forward_training;
  const memory::dims strides{p.stride, p.stride}, dilates{p.dilation - 1, p.dilation - 1};
  const memory::dims before{p.pad_top, p.pad_left}, after{p.pad_bottom, p.pad_right};
  const auto nhwc = memory::format_tag::nhwc;
  const memory::desc any(weights_dims(p), request.type, memory::format_tag::any);
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  Piece piece;
  piece.x = memory::desc({p.n, p.ci, p.h, p.w}, request.type, nhwc);
  piece.y = memory::desc({p.n, p.co, p.ho, p.wo}, request.type, nhwc);
  if (request.bias) piece.bias = memory::desc({p.co}, request.type, memory::format_tag::x);
  if (request.direction == ConvDirection::forward) {
    const Forward::desc wanted(kind, algorithm, piece.x, packed, piece.bias, piece.y, strides,
                               dilates, before, after);
    finish<Forward>(piece, packed, {wanted, attr, onednn::engine()});
    return piece;
  }
  const Forward::desc forward(kind, algorithm, piece.x, any, piece.y, strides, dilates, before,
                              after);
  const Forward::primitive_desc hint(forward, attr, onednn::engine());
  if (request.direction == ConvDirection::dx) {
    const BackwardData::desc wanted(algorithm, piece.x, packed, piece.y, strides, dilates, before,
                                    after);
    finish<BackwardData>(piece, packed, {wanted, attr, onednn::engine(), hint});
  } else {
    const BackwardWeights::desc wanted(algorithm, piece.x, packed, piece.y, strides, dilates,
                                       before, after);
    finish<BackwardWeights>(piece, packed, {wanted, attr, onednn::engine(), hint});
  }
  return piece;
}

/// Images per partial sum of a weight gradient: at most 16 sums, fewer where images are so small
/// that adding them up would cost more than making them, and at least two where there are two
/// images.
int64_t images_per_sum(const Conv2dParams& p) {
  constexpr int64_t kSums = 16, kPixels = 512;
  const auto up = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t wanted = std::max(up(p.n, kSums), up(kPixels, p.ho * p.wo));
  return std::max<int64_t>(1, std::min(wanted, up(p.n, 2)));
}

/// Part of a convolution that is one of its own.
struct Part {
  Conv2dParams p;
  int64_t x_offset = 0, y_offset = 0;
  bool valid() const { return p.h > 0 && p.ho > 0; }
};

/// Rows [first, first + rows) of y with the rows of x that they read.
Part forward_band(const Conv2dParams& p, int64_t first, int64_t rows) {
  const int64_t top = first * p.stride - p.pad_top;
  const int64_t bottom = (first + rows - 1) * p.stride - p.pad_top + (p.kh - 1) * p.dilation;
  const int64_t from = std::max<int64_t>(top, 0), to = std::min(bottom, p.h - 1);
  Part part{p, from * p.w * p.ci, first * p.wo * p.co};
  part.p.h = to - from + 1;
  part.p.ho = rows;
  part.p.pad_top = from - top;
  part.p.pad_bottom = bottom - to;
  return part;
}

/// Rows [first, first + rows) of x with the rows of y that read them, for stride 1.
Part dx_band(const Conv2dParams& p, int64_t first, int64_t rows) {
  const int64_t reach = (p.kh - 1) * p.dilation;
  const int64_t from = std::max<int64_t>(first + p.pad_top - reach, 0);
  const int64_t to = std::min(first + rows - 1 + p.pad_top, p.ho - 1);
  Part part{p, first * p.w * p.ci, from * p.wo * p.co};
  part.p.h = rows;
  part.p.ho = to - from + 1;
  part.p.pad_top = p.pad_top + first - from;
  part.p.pad_bottom = part.p.ho + reach - rows - part.p.pad_top;
  return part;
}

/// Bands into which an image is cut so that several threads can share it: by its shape alone.
int64_t bands_of(const Conv2dParams& p, ConvDirection direction) {
  constexpr double kFlopsPerBand = 32e6;
  constexpr int64_t kMostBands = 16;
  if (direction == ConvDirection::dx && p.stride != 1) return 1;
  const int64_t rows = direction == ConvDirection::forward ? p.ho : p.h;
  const auto wanted =
      std::min<int64_t>(static_cast<int64_t>(p.flops() / kFlopsPerBand), kMostBands);
  return std::clamp<int64_t>(wanted, 1, rows);
}

/// The parts of the convolution that get a primitive each. Throws NoKernel if it cannot be cut: a
/// band would be padding only.
std::vector<Part> parts_of(const Conv2dParams& p, ConvDirection direction, int64_t bands) {
  std::vector<Part> parts;
  if (direction == ConvDirection::dw) {
    const int64_t step = images_per_sum(p);
    for (const int64_t images : {step, p.n % step}) {
      if (images == 0) continue;
      parts.push_back({p});
      parts.back().p.n = images;
    }
    return parts;
  }
  Conv2dParams image = p;
  image.n = 1;
  if (bands == 1) return {{image}};
  const int64_t rows = direction == ConvDirection::forward ? p.ho : p.h;
  const int64_t step = (rows + bands - 1) / bands;
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    parts.push_back(direction == ConvDirection::forward ? forward_band(image, first, count)
                                                        : dx_band(image, first, count));
    if (!parts.back().valid()) throw NoKernel();
  }
  return parts;
}

/// Reorders of the weights, several where the channels can be shared out.
std::vector<WeightsSlice> make_slices(const Request& request, const Conv2dParams& p,
                                      const memory::desc& packed) {
  constexpr int64_t kBlock = 64, kWorthCutting = 1 << 15, kMostSlices = 8;
  const memory::desc plain(weights_dims(p), request.type, memory::format_tag::ohwi);
  int64_t step = p.co;
  if (p.co % kBlock == 0 && p.weights() >= kWorthCutting) {
    const int64_t blocks = p.co / kBlock;
    step = (blocks + kMostSlices - 1) / kMostSlices * kBlock;
  }
  std::vector<WeightsSlice> slices;
  for (int64_t first = 0; first < p.co; first += step) {
    const memory::dims size{std::min(step, p.co - first), p.ci, p.kh, p.kw};
    const memory::dims at{first, 0, 0, 0};
    WeightsSlice s{plain.submemory_desc(size, at), packed.submemory_desc(size, at), {}};
    const bool writes_plain = request.direction == ConvDirection::dw;
    const auto &from = writes_plain ? s.packed : s.plain, &to = writes_plain ? s.plain : s.packed;
    s.reorder = dnnl::reorder({onednn::engine(), from, onednn::engine(), to});
    slices.push_back(s);
  }
  return slices;
}

/// Throws NoKernel or dnnl::error if the library cannot do it.
Plan assemble(const Request& request, const Conv2dParams& p, int64_t bands) {
  Plan plan;
  plan.packed = memory::desc(weights_dims(p), request.packed_type(), memory::format_tag::any);
  for (const Part& part : parts_of(p, request.direction, bands)) {
    Piece piece = make_piece(request, part.p, plan.packed);
    piece.x_offset = part.x_offset;
    piece.y_offset = part.y_offset;
    plan.scratch_bytes =
        std::max(plan.scratch_bytes, static_cast<int64_t>(piece.scratch.get_size()));
    plan.pieces.push_back(std::move(piece));
  }
  plan.slices = make_slices(request, p, plan.packed);
  return plan;
}

std::shared_ptr<const Plan> make_plan(const Request& request, const Conv2dParams& p) {
  const onednn::OneThread guard;
  for (int64_t bands = bands_of(p, request.direction); bands >= 1; bands = bands == 1 ? 0 : 1) {
    try {
      return std::make_shared<const Plan>(assemble(request, p, bands));
    } catch (const NoKernel&) {  // fewer bands, or the portable path
    } catch (const dnnl::error& e) {
      if (e.status == dnnl_out_of_memory) throw;
    }
  }
  return nullptr;
}

/// Of plans and of packed weights. forward and dx go image by image: their plans serve every batch.
std::vector<int64_t> key_of(const Request& r, Conv2dParams p) {
  if (r.direction != ConvDirection::dw) p.n = 1;
  const Conv2dParams::Sizes sizes = p.sizes();
  std::vector<int64_t> key;
  key.reserve(sizes.size() + 4);  // packed_weights adds one
  key.assign({static_cast<int64_t>(r.direction), static_cast<int64_t>(r.type), r.bias});
  key.insert(key.end(), sizes.begin(), sizes.end());
  return key;
}

std::shared_ptr<const Plan> plan_for(const std::vector<int64_t>& key, const Request& r,
                                     const Conv2dParams& p) {
  static onednn::PlanCache<Plan> cache(512);
  return cache.get(key, [&] { return make_plan(r, p); });
}

/// Between the arrays' own order and the library's.
void convert_weights(const Plan& plan, void* plain, void* packed, ConvDirection direction) {
  parallel_for(static_cast<int64_t>(plan.slices.size()), [&](int64_t i) {
    const onednn::OneThread guard;
    const WeightsSlice& s = plan.slices[static_cast<size_t>(i)];
    memory a(s.plain, onednn::engine(), plain), b(s.packed, onednn::engine(), packed);
    dnnl::stream& stream = onednn::stream();
    if (direction == ConvDirection::dw) {
      s.reorder.execute(stream, b, a);
    } else {
      s.reorder.execute(stream, a, b);
    }
    stream.wait();
  });
}

/// forward and dx: every band of every image. Small images share a task, which saves set-up.
template <class T>
void run_images(Launch& launch, ConvDirection direction, const Plan& plan, std::vector<int64_t> key,
                const Conv2dParams& p, const Conv2dArrays<T>& t) {
  constexpr double kFlopsPerTask = 8e6;
  const auto& engine = onednn::engine();
  const bool forward = direction == ConvDirection::forward;
  const auto pack = [&](void* to) { convert_weights(plan, t.w, to, direction); };
  const auto packed =
      packed_weights(launch, t, std::move(key), plan.packed.get_size(), std::ref(pack));
  const memory weights(plan.packed, engine, const_cast<void*>(packed.get()));

  const auto bands = static_cast<int64_t>(plan.pieces.size());
  const int64_t step =
      bands > 1 ? 1 : std::clamp<int64_t>(static_cast<int64_t>(kFlopsPerTask / p.flops()), 1, 64);
  const int64_t groups = (p.n + step - 1) / step;
  ScratchSlots<std::byte> slots(launch, groups * bands, plan.scratch_bytes);
  parallel_for(groups * bands, [&](int64_t task) {
    const onednn::OneThread guard;
    const Piece& piece = plan.pieces[static_cast<size_t>(task % bands)];
    slots.with([&](std::byte* scratch) {
      memory x(piece.x, engine, nullptr), y(piece.y, engine, nullptr);
      Arguments args{{forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_SRC, x},
                     {forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, y},
                     {DNNL_ARG_WEIGHTS, weights},
                     {DNNL_ARG_SCRATCHPAD, memory(piece.scratch, engine, scratch)}};
      if (t.bias != nullptr) {
        args[DNNL_ARG_BIAS] = memory(piece.bias, engine, const_cast<T*>(t.bias));
      }
      const int64_t first = task / bands * step, last = std::min(first + step, p.n);
      for (int64_t image = first; image < last; ++image) {
        x.set_data_handle(t.x + image * p.x_image() + piece.x_offset);
        y.set_data_handle(t.y + image * p.y_image() + piece.y_offset);
        piece.primitive.execute(onednn::stream(), args);
      }
      onednn::stream().wait();
    });
  });
}

/// dw: one sum for each group of images, in the library's order and in float; added in order.
template <class T>
void run_sums(Launch& launch, const Plan& plan, const Conv2dParams& p, const Conv2dArrays<T>& t) {
  const auto& engine = onednn::engine();
  const int64_t step = images_per_sum(p), groups = (p.n + step - 1) / step;
  const auto size = static_cast<int64_t>(plan.packed.get_size() / sizeof(float));
  float* sums = launch.scratch<float>(groups * size);
  ScratchSlots<std::byte> slots(launch, groups, plan.scratch_bytes);
  parallel_for(groups, [&](int64_t group) {
    const onednn::OneThread guard;
    const bool full = (group + 1) * step <= p.n;
    const Piece& piece = full ? plan.pieces.front() : plan.pieces.back();
    slots.with([&](std::byte* scratch) {
      const int64_t image = group * step;
      piece.primitive.execute(
          onednn::stream(),
          {{DNNL_ARG_SRC, memory(piece.x, engine, t.x + image * p.x_image())},
           {DNNL_ARG_DIFF_DST, memory(piece.y, engine, t.y + image * p.y_image())},
           {DNNL_ARG_DIFF_WEIGHTS, memory(plan.packed, engine, sums + group * size)},
           {DNNL_ARG_SCRATCHPAD, memory(piece.scratch, engine, scratch)}});
      onednn::stream().wait();
    });
  });
  if (groups > 1) {
    parallel_ranges(size, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t group = 1; group < groups; ++group) {
        const float* other = sums + group * size;
        for (int64_t i = begin; i < end; ++i) sums[i] += other[i];
      }
    });
  }
  convert_weights(plan, t.w, sums, ConvDirection::dw);
}

/// y = x converted, on all threads.
template <class T, class U>
void convert(const T* x, int64_t count, U* y) {
  parallel_ranges(count, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<U>(static_cast<float>(x[i]));
  });
}

/// A bf16 gradient computed in float and rounded at the end.
bool through_float(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                   const Conv2dArrays<BFloat16>& t) {
  const int64_t x_size = p.n * p.x_image(), y_size = p.n * p.y_image();
  const Conv2dArrays<float> wide{launch.scratch<float>(x_size), launch.scratch<float>(p.weights()),
                                 launch.scratch<float>(y_size), nullptr};
  convert(t.y, y_size, wide.y);
  if (direction == ConvDirection::dx) {
    convert(t.w, p.weights(), wide.w);
  } else {
    convert(t.x, x_size, wide.x);
  }
  if (!conv2d_onednn(launch, direction, p, wide)) return false;
  if (direction == ConvDirection::dx) {
    convert(wide.x, x_size, t.x);
  } else {
    convert(wide.w, p.weights(), t.w);
  }
  return true;
}

// Where oneDNN 2.6.3 can be relied on, found by random convolutions of integers (exact in every
// order) with scratch and neighbouring memory full of NaN.

/// Strided pointwise kernels write past the end of their scratch memory; dilated ones that reach
/// beyond the image read what lies beside it.
bool sound(const Conv2dParams& p) {
  const bool inside = p.h > (p.kh - 1) * p.dilation && p.w > (p.kw - 1) * p.dilation;
  return (p.kh * p.kw > 1 || p.stride == 1) && (p.dilation == 1 || inside);
}

/// The bf16 gradients read memory that was never written for strides, dilation, images smaller than
/// the kernel, and channels that do not fill their blocks: the results change from call to call.
bool sound_bf16_gradient(const Conv2dParams& p) {
  return p.stride == 1 && p.dilation == 1 && p.h >= p.kh && p.w >= p.kw && p.ci % 16 == 0 &&
         p.co % 16 == 0;
}

}  // namespace

template <class T>
bool conv2d_onednn(Launch& launch, ConvDirection direction, const Conv2dParams& p,
                   const Conv2dArrays<T>& t) {
  if (PortableKernelsScope::active()) return false;
  if (!sound(p)) return false;
  if constexpr (std::is_same_v<T, BFloat16>) {
    if (direction != ConvDirection::forward && !sound_bf16_gradient(p)) {
      return through_float(launch, direction, p, t);
    }
  }
  const Request request{direction, onednn::type_of<T>(), t.bias != nullptr};
  std::vector<int64_t> key = key_of(request, p);
  const std::shared_ptr<const Plan> plan = plan_for(key, request, p);
  if (!plan) return false;
  if (direction == ConvDirection::dw) {
    run_sums(launch, *plan, p, t);
  } else {
    run_images(launch, direction, *plan, std::move(key), p, t);
  }
  return true;
}

#else

namespace ito {

template <class T>
bool conv2d_onednn(Launch&, ConvDirection, const Conv2dParams&, const Conv2dArrays<T>&) {
  return false;
}

#endif

template bool conv2d_onednn(Launch&, ConvDirection, const Conv2dParams&,
                            const Conv2dArrays<float>&);
template bool conv2d_onednn(Launch&, ConvDirection, const Conv2dParams&,
                            const Conv2dArrays<BFloat16>&);

}  // namespace ito
