"""CVXPY problems solved by spectral_nn's Newton l_p minimizer."""
