#include "kernels/squared_distances/neighbours.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "kernels/concat/op.h"
#include "kernels/segment_reduce/op.h"
#include "kernels/squared_distances/op.h"

namespace ito {
namespace {

using ops::SegmentKind;

constexpr int64_t kChunk = 4096;  // rows and columns of a matrix of distances

/// x [N, ...] as [N, D].
Tensor matrix_of(const Tensor& x) {
  ITO_CHECK(x.rank() >= 1, ShapeError, "needs rows [N, ...]", kv("x", x.shape()));
  return x.alias({x.size(0), x.shape().numel_of(1, x.rank())});
}

/// Up to kChunk rows from `first` on, without a copy.
Tensor rows_of(const Tensor& x, int64_t first) {
  const size_t row = static_cast<size_t>(x.size(1)) * size_of(x.dtype());
  return Tensor::view(x.storage(), x.byte_offset() + static_cast<size_t>(first) * row,
                      {std::min(kChunk, x.size(0) - first), x.size(1)}, x.dtype());
}

/// Offsets of the rows of matrices, one segment each; kept, since a copy to a GPU waits for it.
class RowOffsets {
 public:
  explicit RowOffsets(Device device) : device_(device) {}
  const Tensor& operator()(int64_t rows, int64_t columns) {
    Tensor& found = known_[{rows, columns}];
    if (found) return found;
    std::vector<int64_t> offsets;
    for (int64_t i = 0; i <= rows; ++i) offsets.push_back(i * columns);
    return found = Tensor::from(offsets, {rows + 1}).to(device_);
  }

 private:
  Device device_;
  std::map<std::pair<int64_t, int64_t>, Tensor> known_;
};

Tensor flat(const Tensor& x) { return x.alias({x.numel()}); }

/// Lowers best[i] to a chunk's row minimum wherever that is smaller; ties keep the earlier chunk.
template <class T>
void keep_nearer(const Tensor& index, const Tensor& squared, int64_t first, std::vector<T>& best,
                 std::vector<int64_t>& where) {
  const std::vector<int64_t> chunk_index = index.to_vector<int64_t>();
  const std::vector<T> chunk = squared.to_vector<T>();
  for (size_t i = 0; i < best.size(); ++i) {
    const bool nearer = chunk[i] < best[i] || (std::isnan(chunk[i]) && !std::isnan(best[i]));
    if (where[i] >= 0 && !nearer) continue;
    best[i] = chunk[i];
    where[i] = first + chunk_index[i];
  }
}

/// Row minima of the distances to one chunk of the data.
struct Minima {
  Tensor index, squared;
  int64_t first;
};

template <class T>
Neighbours nearest(const Tensor& queries, const Tensor& data) {
  std::vector<int64_t> index;
  std::vector<T> distance;
  RowOffsets offsets(data.device());
  for (int64_t i = 0; i < queries.size(0); i += kChunk) {
    std::vector<Minima> chunks;
    for (int64_t j = 0; j < data.size(0); j += kChunk) {
      const Tensor d = ops::squared_distances(rows_of(queries, i), rows_of(data, j));
      const Tensor& rows = offsets(d.size(0), d.size(1));
      chunks.push_back({ops::segment_reduce(flat(d), rows, SegmentKind::argmin),
                        ops::segment_reduce(flat(d), rows, SegmentKind::min), j});
    }
    const auto rows = static_cast<size_t>(chunks[0].index.numel());
    std::vector<T> best(rows);
    std::vector<int64_t> where(rows, -1);
    for (const Minima& chunk : chunks) {
      keep_nearer(chunk.index, chunk.squared, chunk.first, best, where);
    }
    index.insert(index.end(), where.begin(), where.end());
    for (const T squared : best) distance.push_back(std::sqrt(squared));
  }
  const Shape shape{queries.size(0)};
  return {Tensor::from(index, shape).to(data.device()),
          Tensor::from(distance, shape).to(data.device())};
}

}  // namespace

double largest_distance(const Tensor& x) {
  const Tensor all = matrix_of(x);
  ITO_CHECK(all.size(0) > 0, ShapeError, "needs at least one row", kv("x", x.shape()));
  RowOffsets offsets(x.device());
  Tensor largest;
  for (int64_t i = 0; i < all.size(0); i += kChunk) {
    for (int64_t j = i; j < all.size(0); j += kChunk) {  // distances are symmetric
      const Tensor d = ops::squared_distances(rows_of(all, i), rows_of(all, j));
      const Tensor maxima =
          ops::segment_reduce(flat(d), offsets(d.size(0), d.size(1)), SegmentKind::max);
      const Tensor candidates = largest ? ops::concat({largest, maxima}, 0) : maxima;
      largest = ops::segment_reduce(candidates, offsets(1, candidates.numel()), SegmentKind::max);
    }
  }
  return std::sqrt(largest.item());
}

Neighbours nearest_neighbours(const Tensor& queries, const Tensor& data) {
  const Tensor q = matrix_of(queries), all = matrix_of(data);
  ITO_CHECK(queries.shape().with(0, 1) == data.shape().with(0, 1), ShapeError,
            "queries and data need rows of one shape", kv("queries", queries.shape()),
            kv("data", data.shape()));
  ITO_CHECK(q.size(0) == 0 || all.size(0) > 0, ShapeError, "needs at least one row of data",
            kv("data", data.shape()));
  return all.dtype() == DType::f64 ? nearest<double>(q, all) : nearest<float>(q, all);
}

}  // namespace ito
