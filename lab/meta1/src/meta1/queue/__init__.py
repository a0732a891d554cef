"""The queue: pure decisions about envelopes, and the stores that keep them on disk."""
