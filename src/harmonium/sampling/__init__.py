"""Sampling: `init` and `step(model, state, rng) -> (State, Info)`; the state is carried on, the info only looked at."""
