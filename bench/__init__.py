"""Measurements of zcloud beside its peers: ``python -m bench`` runs them and writes docs/performance.md."""
