"""Conventions that rooms side by side share."""

UNRATED = 255  # level code of an entry known to be seen, but not rated
LIKED_SHARE = 0.75  # a rating at least this far up from the lowest to the highest counts as liking
