"""Boltzmann machines one can trust: ratings, recommendations, energies, likelihoods.

Names load on first use (SPEC 1), from where `__init__.pyi` says; importing the package alone loads none of
its rooms.
"""

import lazy_loader

from ._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
