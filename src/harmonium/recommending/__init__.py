"""Recommending: ids, titles and filters around a rating model; rankings, reasons, hidden units in words."""
