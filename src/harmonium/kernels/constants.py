"""Numbers that every backend shares."""

EXP_LIMIT = 87.0  # exp of it is finite in float32, and so is its reciprocal
ADAGRAD, ADAM, MOMENTUM = 0, 1, 2  # optimiser rules, as kernels take them
LANES = 16  # rows of weights under training are padded to a multiple of this: shorter tails run at half the speed
