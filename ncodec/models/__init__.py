"""Torch modules: transforms, quantisers, priors. `weights/` holds what was trained."""
