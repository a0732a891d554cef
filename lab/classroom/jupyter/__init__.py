"""What runs in a trainee's sandbox: JupyterLab for one user of a hub, with the book's notebooks."""
