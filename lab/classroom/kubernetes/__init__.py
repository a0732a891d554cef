"""A class on Kubernetes: what the pod of a trainee is made of, beside Zero to JupyterHub."""
