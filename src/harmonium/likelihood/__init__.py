"""Likelihood: exact by enumeration, estimated with a bracket, and what tells how learning goes. All in float64."""
