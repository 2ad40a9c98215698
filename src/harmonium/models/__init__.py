"""Models: energies, fields, free energies; frozen records of arrays."""
