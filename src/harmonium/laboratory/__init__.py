"""Machines small enough to enumerate, at work: landscapes, chains toss by toss, learning, forgetting; all exact."""
