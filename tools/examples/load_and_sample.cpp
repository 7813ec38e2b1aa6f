// Loads a model that the ito program trained, and draws samples from it.
//   load_and_sample RUN_OR_FILE [first_seed] [count]
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "engine/core/check.h"
#include "engine/io/checksum.h"
#include "samplers/pc.h"
#include "sde/training/score_model.h"

int main(int argc, char** argv) {
  using namespace ito;
  if (argc < 2) {
    std::fprintf(stderr, "usage: load_and_sample RUN_OR_FILE [first_seed] [count]\n");
    return 2;
  }
  try {
    // The file carries its configuration: network, SDE and sampler need no further options.
    const sde::ScoreModel model = sde::load_score_model(argv[1]);
    samplers::SamplingConfig sampling;
    Fields fields;
    sampling.fields(fields);
    fields.apply_known(model.settings, model.file.string());

    // A sample is a function of its index alone: batch, threads and device do not change it.
    std::vector<int64_t> indices(argc > 3 ? static_cast<size_t>(std::atoi(argv[3])) : 4);
    std::iota(indices.begin(), indices.end(), argc > 2 ? std::atoll(argv[2]) : 0);
    const samplers::NoiseSource noise{.seed = 0};
    const Tensor start = samplers::prior_sample(*model.sde, model.sample_shape, indices, noise);
    const samplers::SampleResult result =
        samplers::sample_pc(model.score(), *model.sde, start, indices,
                            samplers::pc_options(sampling, *model.sde), noise);

    std::printf("%s after %lld evaluations of the network\n", describe(result.x).c_str(),
                static_cast<long long>(result.evaluations));
    std::printf("checksum %s\n", checksum_text(result.x).c_str());
  } catch (const UserError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return exit_code_of(e.code());
  }
}
