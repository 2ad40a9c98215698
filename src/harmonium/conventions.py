"""Conventions that rooms side by side share."""

UNRATED = 255  # level code of an entry known to be seen, but not rated
