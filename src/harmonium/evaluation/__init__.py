"""Evaluation: how good predictions of ratings nobody learned from are, beside two baselines."""
