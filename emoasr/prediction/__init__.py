"""Predictors: fitted linear models of ratings, kept as data, with their errors on new speakers."""
