"""Likelihood: exact by enumeration, estimated with a bracket, and what tells how learning goes. All in float64."""

from harmonium.likelihood.annealing import LogZ, ais, reverse_ais, spaced
from harmonium.likelihood.bracket import Bracket, bracket, log_likelihood, log_partition
from harmonium.likelihood.paths import path_to

__all__ = ["Bracket", "LogZ", "ais", "bracket", "log_likelihood", "log_partition", "path_to", "reverse_ais", "spaced"]
