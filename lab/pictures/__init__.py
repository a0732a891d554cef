"""Pictures drawn from what the machine said: data in, SVG out, the same wherever it is drawn."""
