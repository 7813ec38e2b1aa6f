// Running one case: where and how precisely, and the errors of its arrays.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/network.h"
#include "sde/sde.h"
#include "tools/golden/case.h"

namespace ito::golden {

enum class Precision : uint8_t { fp32, fp64, bf16 };

struct Mode {
  Precision precision = Precision::fp32;
  Device device = kCpu;

  /// Of inputs and outputs: f64 in fp64, else f32.
  DType data() const { return precision == Precision::fp64 ? DType::f64 : DType::f32; }
  DType parameters() const { return precision == Precision::bf16 ? DType::bf16 : data(); }
};

struct ArrayError {
  std::string name;
  double error = 0;  ///< relative L2, unless the array's rule says otherwise
  double limit = 0;
  /// The reference's own relative error in fp32; 0: unknown, or `error` is no relative one.
  double reference = 0;
  double share() const { return error / limit; }
};

class CaseRun {
 public:
  CaseRun(const Case& golden, Mode mode) : golden_(golden), mode_(mode) {}
  const Case& golden() const { return golden_; }
  Mode mode() const { return mode_; }

  /// An array of the case as floating data on the device, in the layout of the file.
  Tensor input(const std::string& name) const;
  /// An image [N, C, H, W] of the case as [N, H, W, C].
  Tensor image(const std::string& name) const;

  /// Compares with the array of that name, in the file's layout, by the relative L2 error (by the
  /// L2 norm where the array is zero). `limit` holds for fp32. fp64 results are held to 1e-9 where
  /// the array is fp64 or has a fp64 twin NAME.f64; bf16 ones to 5e-2, gradients to 2e-1.
  void expect(const std::string& name, const Tensor& ours, double limit);
  void expect(const std::string& name, const std::vector<double>& ours, double limit);
  void expect_image(const std::string& name, const Tensor& ours, double limit);  ///< ours NHWC
  /// Compares with the fp64 twin in every precision, where there is one: for arrays whose fp32
  /// version suffers more from the reference's rounding than ours does.
  void expect_exact(const std::string& name, const std::vector<double>& ours, double limit);
  /// Records an error that the caller measured, on its own scale.
  void record(const std::string& name, double error, double limit, double reference = 0);
  /// Takes over the errors of a sub-case, which become those of arrays SUB/NAME.
  void adopt(const CaseRun& sub);
  void skip(const std::string& name) { seen_.insert(name); }

  /// Every array with an error, in order of comparison.
  const std::vector<ArrayError>& errors() const { return errors_; }
  /// Throws Unknown for the first result in the file that nobody compared; `prefix` stands before
  /// its name in the message.
  void check_complete(const std::string& prefix = "") const;

 private:
  void compare(const std::string& name, const std::string& with, const std::vector<double>& ours,
               double limit);

  const Case& golden_;
  Mode mode_;
  std::vector<ArrayError> errors_;
  std::set<std::string> seen_;
};

/// The elements as doubles, on the host.
std::vector<double> values(const Tensor& tensor);
double norm(const std::vector<double>& v);  ///< L2

/// The SDE of the case: from `info`, or from `config.model` and `config.training` in model files.
std::shared_ptr<const sde::Sde> make_sde(const CaseRun& run);
int levels_of(const CaseRun& run);  ///< N of that SDE

/// The network of the case with its parameters, in the precision and on the device of the run.
/// Throws Unknown for a network that we do not have.
std::unique_ptr<nn::Network> make_network(const CaseRun& run);
/// The loss of the case, sum(y v). It cancels: its error is measured against the size of the
/// factors, too.
void expect_loss(CaseRun& run, const Tensor& loss, const Tensor& y, const Tensor& v);
/// A gradient in the file's layout, undefined where there is none, against the array of that name.
/// One that is zero in theory is measured by the rms of the others.
void expect_gradient(CaseRun& run, const std::string& name, const Tensor& ours, double limit);
/// Gradients of `objective` with respect to every trained parameter against the arrays grad.*.
void expect_gradients(CaseRun& run, const std::vector<nn::Parameter>& parameters,
                      const Tensor& objective, double limit);
/// The same for a network, and for the images `x`, if defined, against grad_input.x.
void expect_gradients(CaseRun& run, nn::Network& network, const Tensor& objective, const Tensor& x);
/// Makes the trained parameters leaves of the tape.
void track_parameters(const std::vector<nn::Parameter>& parameters);

// One function per category. Throw Unknown where the case asks for what we do not have.
void run_model(CaseRun& run);
void run_sde(CaseRun& run);
void run_loss(CaseRun& run);
void run_train(CaseRun& run);
void run_layer(CaseRun& run);
void run_pc(CaseRun& run);
void run_ode(CaseRun& run);
void run_likelihood(CaseRun& run);

}  // namespace ito::golden
