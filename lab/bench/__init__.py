"""Measurements that `lab bench` takes, a module for each; what full runs found is in `results/`."""
