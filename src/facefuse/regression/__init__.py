"""Trained regressors: a face crop in, coefficients of the base model and a camera out."""
