"""One small Ray cluster for all tests of the room that need it; it is on this machine alone."""

import os
import warnings

import pytest

PROCESSORS = 4
STORE = 100 << 20  # bytes of Ray's object store: the least it takes is 75 MiB


@pytest.fixture(scope="session")
def ray_here():
    """Ray, started."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # the tests wait for workers, which other work must not hold up
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Ray about itself
        import ray
        import ray.data
        import ray.train.torch

        ray.init(num_cpus=PROCESSORS, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    yield ray
    ray.shutdown()
