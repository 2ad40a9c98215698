"""Learning on several workers, on engines that exist: Ray Train for the machines, torch.distributed for the sums.

Ray and torch load when a `Cluster` is used.
"""

from harmonium.distributed.cluster import Cluster

__all__ = ["Cluster"]
