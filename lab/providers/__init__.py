"""What can make a lab machine."""
