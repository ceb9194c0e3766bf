r"""`energy-gans particles`: particles that move through a data set, without a network."""

from .particles import ParticleFlow, particles

__all__ = ["ParticleFlow", "particles"]
