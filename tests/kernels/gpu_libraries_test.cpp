// The way from an op to a vendor library, without a GPU: stand-ins that compute on the host
// (fake_cublaslt.cu, fake_cudnn.cu) serve the emulated device.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/autograd/autograd.h"
#include "engine/core/log.h"
#include "kernels/common/cublas.h"
#include "kernels/common/cudnn.h"
#include "kernels/common/library.h"
#include "engine/io/plan_cache.h"
#include "kernels/conv2d/op.h"
#include "kernels/conv2d_dw/op.h"
#include "kernels/conv2d_dx/op.h"
#include "kernels/matmul/op.h"
#include "tests/kernels/exact.h"

namespace ito::testing {
namespace {

namespace fs = std::filesystem;

/// A folder of this process, removed at exit.
const fs::path& scratch_folder() {
  static const struct Folder {
    fs::path path = fs::temp_directory_path() / ("ito_gpu_libraries_" + std::to_string(getpid()));
    Folder() { fs::create_directories(path); }
    ~Folder() { fs::remove_all(path); }
  } folder;
  return folder.path;
}

/// Before the first op asks. The run named Missing sets the libraries itself.
const bool environment_is_set = [] {
  setenv("ITO_CUDA_LIBRARIES", "emulated", 0);
  setenv("ITO_CUBLASLT_LIBRARY", ITO_FAKE_CUBLASLT, 0);
  setenv("ITO_CUDNN_LIBRARY", ITO_FAKE_CUDNN, 0);
  setenv("ITO_CACHE_DIR", scratch_folder().c_str(), 1);
  return true;
}();

/// The choice for a call whose text begins like this; "none" if there is none.
KernelChoice choice_of(const std::string& call) {
  for (const KernelChoice& c : kernel_choices()) {
    if (c.call.rfind(call, 0) == 0) return c;
  }
  return {call, "none", ""};
}

/// `count` calls whose text holds `part` were made, and this kernel served every one of them: a
/// library that refuses a call leaves it to our kernel, whose result is as good.
void expect_all_served(const std::string& kernel, const std::string& part, int count) {
  int seen = 0;
  for (const KernelChoice& c : kernel_choices()) {
    if (c.call.find(part) == std::string::npos) continue;
    ++seen;
    EXPECT_EQ(c.kernel, kernel) << c.call << ": " << c.reason;
  }
  EXPECT_EQ(seen, count);
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void write_text(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

int searches() {
  void* fake = dlopen(ITO_FAKE_CUDNN, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<int (*)()>(dlsym(fake, "fake_cudnn_searches"))();
}

Tensor on_device(const Tensor& x) { return x.to(kEmulated); }

void expect_same(const Tensor& device, const Tensor& host) {
  EXPECT_TRUE(same_bits(device.to(kCpu), host));
}

TEST(CublasLt, EveryTransposeAndBatch) {
  const NoGradScope off;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (int flags = 0; flags < 16; ++flags) {
      const bool ta = flags & 1, tb = flags & 2, batch_a = flags & 4, batch_b = flags & 8;
      const auto matrix = [&](bool batched, int64_t rows, int64_t columns, uint64_t seed) {
        return small_integers(batched ? Shape{3, rows, columns} : Shape{rows, columns}, dtype,
                              seed);
      };
      const Tensor a = matrix(batch_a, ta ? 7 : 5, ta ? 5 : 7, 1);
      const Tensor b = matrix(batch_b, tb ? 9 : 7, tb ? 7 : 9, 2);
      const Tensor bias = small_integers({9}, dtype, 3);
      const ops::MatmulAttrs how{ta ? ops::Transpose::yes : ops::Transpose::no,
                                 tb ? ops::Transpose::yes : ops::Transpose::no};
      SCOPED_TRACE(flags);
      expect_same(ops::matmul(on_device(a), on_device(b), how, on_device(bias)),
                  ops::matmul(a, b, how, bias));
    }
  }
  expect_all_served("cuBLASLt", "[5, 7", 28);
}

TEST(CublasLt, ScaleAndResidual) {
  const Tensor a = small_integers({4, 6}, DType::f32, 1), b = small_integers({6, 8}, DType::f32, 2);
  const Tensor residual = small_integers({4, 8}, DType::f32, 3);
  Tensor c = Tensor::empty({4, 8}, DType::f32);
  Launch launch(kEmulated);
  ASSERT_TRUE(cublaslt_matmul(launch, {.m = 4,
                                       .n = 8,
                                       .k = 6,
                                       .a = a.raw(),
                                       .b = b.raw(),
                                       .residual = residual.raw(),
                                       .c = c.raw(),
                                       .alpha = 0.5f,
                                       .beta = 2}));
  const Tensor product = ops::matmul(a, b);
  for (int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(c.data<float>()[i], 0.5f * product.data<float>()[i] + 2 * residual.data<float>()[i]);
  }
}

TEST(CublasLt, ShapeThatItRefusesRunsOurKernel) {
  const NoGradScope off;
  const Tensor a = small_integers({4, 6}, DType::f32, 1),
               b = small_integers({6, 13}, DType::f32, 2);
  expect_same(ops::matmul(on_device(a), on_device(b)), ops::matmul(a, b));
  const KernelChoice choice = choice_of("matmul f32 1 x [4, 6] [6, 13]");
  EXPECT_EQ(choice.kernel, "own");
  EXPECT_NE(choice.reason.find("NOT_SUPPORTED"), std::string::npos) << choice.reason;
}

struct Convolution {
  Shape x, w;
  ops::Conv2dAttrs attrs;
};

/// All three directions against the CPU.
void check_convolution(const Convolution& c, DType dtype) {
  const NoGradScope off;
  const Tensor x = small_integers(c.x, dtype, 1), w = small_integers(c.w, dtype, 2);
  const Tensor bias = small_integers({c.w[0]}, dtype, 3);
  const Tensor y = ops::conv2d(x, w, bias, c.attrs);
  expect_same(ops::conv2d(on_device(x), on_device(w), on_device(bias), c.attrs), y);
  expect_same(ops::conv2d(on_device(x), on_device(w), {}, c.attrs), ops::conv2d(x, w, {}, c.attrs));
  const Tensor gy = small_integers(y.shape(), dtype, 4);
  expect_same(ops::conv2d_dx(on_device(gy), on_device(w), c.x, c.attrs),
              ops::conv2d_dx(gy, w, c.x, c.attrs));
  expect_same(ops::conv2d_dw(on_device(x), on_device(gy), c.w, c.attrs),
              ops::conv2d_dw(x, gy, c.w, c.attrs));
}

const Convolution kSame{{2, 6, 5, 3}, {4, 3, 3, 3}, {1, 1, 1, 1, 1, 1}};

TEST(Cudnn, EveryDirection) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    check_convolution(kSame, dtype);
    check_convolution({{1, 7, 7, 2}, {3, 3, 2, 2}, {2, 2, 2, 0, 2, 0}}, dtype);
  }
  expect_all_served("cuDNN", "n2 h6 w5", 8);
  expect_all_served("cuDNN", "n1 h7 w7", 8);
}

TEST(Cudnn, PaddingBelowAloneRunsOurKernel) {
  const Convolution down{
      {2, 8, 8, 3}, {4, 3, 3, 3}, {.stride = 2, .pad_bottom = 1, .pad_right = 1}};
  check_convolution(down, DType::f32);
  const KernelChoice choice = choice_of("conv2d f32 n2 h8 w8");
  EXPECT_EQ(choice.kernel, "own");
  EXPECT_NE(choice.reason.find("pads both sides alike"), std::string::npos) << choice.reason;
}

TEST(Cudnn, ShapeThatItRefusesRunsOurKernel) {
  check_convolution({{1, 9, 9, 2}, {3, 5, 5, 2}, {}}, DType::bf16);
  EXPECT_EQ(choice_of("conv2d_dx bf16 n1 h9 w9").kernel, "own");
}

TEST(Cudnn, SearchesOncePerShapeAndKeepsThePlan) {
  const Convolution fresh{{3, 4, 6, 5}, {2, 3, 3, 5}, {1, 1, 1, 1, 1, 1}};
  const int before = searches();
  check_convolution(fresh, DType::f32);
  EXPECT_EQ(searches(), before + 4);  // with bias, without, dx, dw
  check_convolution(fresh, DType::f32);
  EXPECT_EQ(searches(), before + 4);
  const std::string file = text_of(cache_folder() / "cudnn_plans.txt");
  EXPECT_NE(file.find("conv2d_dw f32 n3 h4 w6 ci5 co2 kh3"), std::string::npos) << file;
}

/// The library's messages while this lives.
struct Messages {
  std::vector<std::string> list;
  Messages() {
    set_log_sink([this](LogLevel, std::string_view text) { list.emplace_back(text); });
  }
  ~Messages() { set_log_sink({}); }
};

TEST(PlanCache, KeepsPlansInAFile) {
  const fs::path path = scratch_folder() / "deeper" / "kept.txt";
  PlanCache(path, "lib 1").add("one", {1, 3});
  PlanCache second(path, "lib 1");
  EXPECT_EQ(second.find("one"), (AlgorithmPlan{1, 3}));
  EXPECT_FALSE(second.find("two"));
  second.add("two", {4, int64_t{1} << 40});
  const PlanCache third(path, "lib 1");
  EXPECT_EQ(third.find("one"), (AlgorithmPlan{1, 3}));
  EXPECT_EQ(third.find("two"), (AlgorithmPlan{4, int64_t{1} << 40}));
}

TEST(PlanCache, StaleOrDamagedFilesAreIgnoredAndReplaced) {
  const fs::path path = scratch_folder() / "bad.txt";
  PlanCache(path, "lib 1").add("one", {1, 3});
  const std::string good = text_of(path);
  for (const std::string& text :
       {std::string("ito plans 1 lib 0\none\t1\t3\nend 1\n"), std::string("\n"),
        good.substr(0, good.size() - 6), std::string("ito plans 1 lib 1\none\t1\nend 1\n"),
        std::string("ito plans 1 lib 1\none\t1\t-3\nend 1\n")}) {
    write_text(path, text);
    SCOPED_TRACE(text);
    const Messages messages;
    PlanCache cache(path, "lib 1");
    EXPECT_FALSE(cache.find("one"));
    ASSERT_EQ(messages.list.size(), 1u);
    EXPECT_NE(messages.list[0].find("is ignored"), std::string::npos);
    cache.add("one", {1, 3});
    EXPECT_EQ(text_of(path), good);
  }
}

TEST(PlanCache, FolderThatCannotBeWrittenIsSaidOnce) {
  const fs::path blocked = scratch_folder() / "a_file";
  write_text(blocked, "");
  const Messages messages;
  PlanCache cache(blocked / "plans.txt", "lib 1");
  cache.add("one", {1, 3});
  cache.add("two", {1, 3});
  EXPECT_EQ(messages.list.size(), 1u);
  EXPECT_TRUE(cache.find("two"));
}

TEST(SharedLibrary, SaysWhatIsMissing) {
  const SharedLibrary absent("ITO_NO_SUCH_VARIABLE", {"libito_absent.so.1", "libito_other.so.1"});
  EXPECT_FALSE(absent.usable());
  EXPECT_NE(absent.problem().find("libito_absent.so.1"), std::string::npos) << absent.problem();
  SharedLibrary other("ITO_CUBLASLT_LIBRARY", {});
  int (*function)() = nullptr;
  other.take(function, "no_such_function");
  EXPECT_FALSE(other.usable());
  EXPECT_NE(other.problem().find("no_such_function"), std::string::npos) << other.problem();
}

// Run as a test of its own, with ITO_CUBLASLT_LIBRARY and ITO_CUDNN_LIBRARY naming no file.
TEST(MissingLibraries, OurKernelsRunAndTheReasonIsKept) {
  if (std::string(std::getenv("ITO_CUDNN_LIBRARY")) == ITO_FAKE_CUDNN) {
    GTEST_SKIP() << "needs a process without libraries";
  }
  const Messages messages;
  const Tensor a = small_integers({4, 6}, DType::f32, 1), b = small_integers({6, 8}, DType::f32, 2);
  expect_same(ops::matmul(on_device(a), on_device(b)), ops::matmul(a, b));
  check_convolution(kSame, DType::f32);
  EXPECT_EQ(choice_of("matmul").kernel, "own");
  EXPECT_NE(choice_of("matmul").reason.find("missing_cublaslt"), std::string::npos);
  EXPECT_EQ(choice_of("conv2d").kernel, "own");
  EXPECT_EQ(messages.list.size(), 2u);  // one line per library
}

}  // namespace
}  // namespace ito::testing
