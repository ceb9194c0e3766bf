r"""Tests for what users import and name in configs: it stays where it is."""

import ast
import importlib
from pathlib import Path

import pytest

import energy_gans

PUBLIC = {
    "energy_gans.callbacks": """
        EMA Checkpoints Compile CurvesPicture DivergenceGuard MixtureCoverage
        NonFiniteGuard ResponseCurve SampleMeasures SamplePictures SampleWriter
        StepProgress TextMeasures TrainingClock
    """,
    "energy_gans.commands": """
        compare evaluate inpaint interpolate landscape load_model ood report sample
        synthesize
    """,
    "energy_gans.data": """
        CIFAR10 CIFAR100 LSUN MNIST SVHN CelebA EmbeddedDigits EmbeddedText
        FashionMNIST GaussianMixture Grid ImageDataModule ImageFolder Moons Ring
        Spirals TensorDataModule TextLines TinyImageNet TwoModes
    """,
    "energy_gans.fields": """
        DriftingField ElasticField EnergyDistanceField GaussianField KernelField
        MeanShiftField ParticleField PlummerField ScatteringField SinkhornField
        SlicedField SumOfFields
    """,
    "energy_gans.functional": """
        ElasticTerm NGramTable alignment amortized_loss annealed ascent_loss
        balanced class_sums climbing_loss closest_pairs conditional_moments
        conditional_point conditional_velocity contrastive_loss convergence
        covariance critical_coefficient density_coverage difference_of_gaussians
        discrepancy distances distinct downscale draw_characters elastic elastic_log_force
        elastic_power elastic_profile elastic_sums elastic_transform
        energy_distance equilibrium_loss evolve exponential_decay extent field
        filter_bank flow_time fold force frechet_distance gabor gaussian
        gaussian_profile gibbs_score gradient_penalty growth_rate hole_masks
        homotopy_time inception_score innovation interaction_energy
        keyed_generator kinetic_energy known_distances langevin langevin_step
        lerp logistic_loss magnitude markov_lines matching_loss median_distance
        moments nearest neighbour_radii ngram_divergence ngram_field ngram_keys
        ngram_numbers ngram_potential nonsaturating_loss
        particle_velocity plummer polynomial potential potential_gradient
        potential_loss precision_recall preconditioning reconstruction_error
        repulsive_loss response_distance responses seen_share separation
        share_of_dimensions share_within slerp spot_mask spread_energy
        square_mask squared_distances stein_direction support_size time_rate
        transport_cost unit_length upscale warmed_decay wasserstein_loss
    """,
    "energy_gans.methods": """
        EIEGGAN GCN GGCN VAPO Chains CoulombGAN EIEGGenerator FieldGenerator Flow
        GenerativeModule InpaintingGGCN MultigridGCN NGramGenerator ScatteringGAN
        baselines
    """,
    "energy_gans.methods.baselines": """
        BEGAN GAN MMDGAN WGAN WGANGP
    """,
    "energy_gans.metrics": """
        ModeCoverage NGramDivergence ResponseDistance
    """,
    "energy_gans.metrics.features": """
        DomainClassifier EfficientNetLite0 FeatureExtractor FeatureMap FeaturesOnly
        Inception Pixels TrainedEncoder save_classifier save_encoder train_classifier
        train_encoder
    """,
    "energy_gans.networks": """
        FRAME MLP Autoencoder ConvDescriptor CoulombDiscriminator
        CoulombGenerator DCGANDiscriminator DCGANGenerator FourierMLP
        GGCNDescriptor GGCNGenerator GaborBank MultigridDescriptors
        ResNetAutoencoder ResNetDescriptor ResNetGenerator
        ResidualTextDiscriminator ResidualTextGenerator VGGBank WideResNet
    """,
    "energy_gans.storage": """
        AtomicCheckpointIO Rebuilder find_checkpoint load_checkpoint load_model
        packages_beyond step_of
    """,
}


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_stay(package: str) -> None:
    module = importlib.import_module(package)
    names = PUBLIC[package].split()
    assert set(names) <= set(module.__all__)
    assert all(getattr(module, name) is not None for name in names)


def test_a_training_is_started_from_python_by_the_command_line() -> None:
    from energy_gans.__main__ import main
    from energy_gans.cli import main as same

    assert callable(main) and callable(same)


def test_private_names_stay_in_their_file() -> None:
    root = Path(energy_gans.__file__).parent
    imported = [
        f"{path.relative_to(root)}: {name.name}"
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.name.startswith("_") and not name.name.startswith("__")
    ]
    assert imported == []
