"""Pictures of machines at work: what is measured, and how it is drawn. Needs matplotlib, the extra `plot`."""
