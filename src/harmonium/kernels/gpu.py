"""GPU backend: the functions of `reference` in torch, on the device where their tensors lie."""

from harmonium.kernels.gpu_arrays import finish as finish
from harmonium.kernels.gpu_arrays import free_bytes as free_bytes
from harmonium.kernels.gpu_arrays import learning as learning
from harmonium.kernels.gpu_arrays import to_device as to_device
from harmonium.kernels.gpu_arrays import to_host as to_host
from harmonium.kernels.gpu_cases import cd_phase as cd_phase
from harmonium.kernels.gpu_cases import entries_of as entries_of
from harmonium.kernels.gpu_cases import entry_probabilities as entry_probabilities
from harmonium.kernels.gpu_cases import hidden_fields as hidden_fields
from harmonium.kernels.gpu_cases import mp_phase as mp_phase
from harmonium.kernels.gpu_cases import predictions as predictions
from harmonium.kernels.gpu_random import uniforms as uniforms
from harmonium.kernels.gpu_units import optimise as optimise
from harmonium.kernels.gpu_units import plan as plan
from harmonium.kernels.gpu_units import schedule as schedule
from harmonium.kernels.gpu_units import spans as spans
from harmonium.kernels.gpu_units import units_step as units_step
