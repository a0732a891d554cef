"""A class: many trainees on one host, each with a JupyterLab and a lab machine of their own."""
