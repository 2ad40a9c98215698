"""Estimators: the surface, one class a model with scikit-learn's contract; learning happens in `training`."""
