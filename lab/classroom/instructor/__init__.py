"""The instructor's page: trainees and chapters, live; a service of JupyterHub that asks the broker.

It keeps nothing itself: what it shows is the broker's, and what it changes is asked of the broker or the hub.
"""
