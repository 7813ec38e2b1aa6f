// The linear SDEs of Song et al. 2021, "Score-Based Generative Modeling through Stochastic
// Differential Equations" (arXiv 2011.13456): dx = f(t) x dt + g(t) dw on [0, T]. All that
// samplers, losses and likelihoods need of one is four scalar functions of time, in fp64, on the
// host.
#pragma once

#include <cstdint>
#include <string_view>

namespace ito::sde {

/// How a time becomes an index of an N-level table: `nearest` is the product default, `truncate`
/// repeats the reference implementation, which truncates t (N - 1) / T computed in fp32.
enum class IndexRounding { nearest, truncate };

/// How a network was trained: on continuous times, or on the indices of N discrete levels.
enum class Labels { continuous, discrete };

/// One step of the forward chain at level k of N: x_k = (1 + f) x_{k-1} + G z.
struct Discretization {
  int index;           ///< k in [0, N - 1]
  double f, G;         ///< the step
  double alpha_k;      ///< 1 - beta_k of the DDPM table; 1 for VE (what Langevin steps scale with)
  double alpha_bar_k;  ///< product of alpha_0 ... alpha_k; 1 for VE
  double sigma_k;      ///< standard deviation of x_k given the data
  double sigma_prev;   ///< the same of x_{k-1}; 0 before the first level
};

/// Forward SDE dx = f(t) x dt + g(t) dw whose transition p(x_t | x_0) is normal with mean
/// alpha(t) x_0 and variance sigma(t)^2 I (Song et al. 2021, eq. 29). The functions satisfy
/// alpha' = f alpha and (sigma^2)' = 2 f sigma^2 + g^2 (tested for every SDE). Times are in [0, T].
class Sde {
 public:
  virtual ~Sde() = default;
  virtual std::string_view name() const = 0;
  virtual double T() const { return 1.0; }

  virtual double alpha(double t) const = 0;       ///< scale of the data at t
  virtual double sigma(double t) const = 0;       ///< standard deviation of the noise at t
  virtual double drift(double t) const = 0;       ///< f(t), per unit of time
  virtual double diffusion2(double t) const = 0;  ///< g(t)^2, per unit of time

  virtual double prior_std() const = 0;     ///< samples start from N(0, prior_std^2 I)
  virtual double sampling_eps() const = 0;  ///< time at which sampling ends
  virtual bool centered_data() const = 0;   ///< data in [-1, 1] if true, else in [0, 1]

  /// log N(z; 0, prior_std^2 I) in nats, for a z of `dimension` values and squared L2 norm
  /// `squared_norm`.
  double prior_logp(int64_t dimension, double squared_norm) const;

  /// The published step of an N-level chain (Song et al. 2021, appendix E). The default is
  /// Euler-Maruyama with step T/N and alphas of 1. Throws ValueError unless levels >= 1 and t is in
  /// [0, T], and where the rule does not exist.
  virtual Discretization discretize(double t, int levels,
                                    IndexRounding rounding = IndexRounding::nearest) const;

  /// The label that a network is given for time t; `levels` is the N that it was trained with and
  /// matters for discrete labels only.
  virtual double network_label(double t, Labels labels, int levels) const = 0;

  /// The factor c in score = c * (network output).
  virtual double score_scale(double t, Labels labels, int levels,
                             IndexRounding rounding = IndexRounding::nearest) const = 0;

 protected:
  /// Index of t among `levels` equally spaced times from 0 to T. Checks t and levels.
  int level_of(double t, int levels, IndexRounding rounding) const;
};

}  // namespace ito::sde
