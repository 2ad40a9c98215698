"""Units: layers as exponential families, each given by its log-partition A(x) of the field x."""
