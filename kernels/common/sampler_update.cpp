#include "kernels/common/sampler_update.h"

namespace ito {

void check_sampler_inputs(const Spec& x, const Spec& score, const Spec& samples, const Spec& z) {
  ITO_CHECK(is_floating(x.dtype), DTypeError, "needs a floating dtype", kv("x", x.dtype));
  ITO_CHECK(x.shape.rank() >= 1, ShapeError, "x must be [N, ...]", kv("x", x.shape));
  ITO_CHECK(score.shape == x.shape, ShapeError, "score must have the shape of x", kv("x", x.shape),
            kv("score", score.shape));
  ITO_CHECK(!z.present || z.shape == x.shape, ShapeError, "z must have the shape of x",
            kv("x", x.shape), kv("z", z.shape));
  ITO_CHECK(score.dtype == x.dtype && (!z.present || z.dtype == x.dtype), DTypeError,
            "x, score and z must have one dtype", kv("x", x.dtype), kv("score", score.dtype));
  ITO_CHECK(samples.shape == Shape{x.shape[0]}, ShapeError, "samples must be [N]",
            kv("N", x.shape[0]), kv("samples", samples.shape));
  ITO_CHECK(samples.dtype == DType::i64, DTypeError, "samples must be i64",
            kv("samples", samples.dtype));
}

void check_table(const Spec& table, const Spec& row, int64_t columns) {
  ITO_CHECK(table.dtype == DType::f64 && row.dtype == DType::i64, DTypeError,
            "table must be f64 and row i64", kv("table", table.dtype), kv("row", row.dtype));
  ITO_CHECK(table.shape.rank() == 2 && table.shape[1] == columns, ShapeError,
            "table must be [S, columns]", kv("columns", columns), kv("table", table.shape));
  ITO_CHECK(row.shape.numel() == 1, ShapeError, "row must have one element", kv("row", row.shape));
}

int64_t table_row(const Tensor& row, const Tensor& table) {
  const int64_t index = row.data<int64_t>()[0];
  ITO_CHECK(index >= 0 && index < table.size(0), ValueError, "row is not in the table",
            kv("row", index), kv("rows", table.size(0)));
  return index;
}

uint32_t sample_counter(int64_t index) {
  ITO_CHECK(index >= 0 && index <= 0xffffffffll, ValueError, "sample index must fit in 32 bits",
            kv("sample", index));
  return static_cast<uint32_t>(index);
}

Tensor batch_noise(const Tensor& x, const Tensor& samples, const Tensor& z, NoiseKey key) {
  if (z) return z;
  Tensor noise = Tensor::empty(x.shape(), x.dtype());
  const int64_t elements = x.size(0) == 0 ? 0 : x.numel() / x.size(0);
  dispatch_float(x.dtype(), "batch_noise", [&]<class T>() {
    for (int64_t i = 0; i < x.numel(); ++i) {
      const uint32_t sample = sample_counter(samples.data<int64_t>()[i / elements]);
      noise.data<T>()[i] =
          static_cast<T>(normal_at(key, sample, static_cast<uint32_t>(i % elements)));
    }
  });
  return noise;
}

}  // namespace ito
