"""Learned linear solvers (Algebraformer, linear transformers, LSTM/GRU) for spectral_nn."""
