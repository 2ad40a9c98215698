"""Training: the loop (an iterator of events), optimisers, stopping, checkpoints."""
