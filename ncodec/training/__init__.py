"""Recipes that make the weights: one module a model, one loop for all."""
