"""spectral_nn results as ChebPy Chebfuns, and Chebfuns as coefficients."""
