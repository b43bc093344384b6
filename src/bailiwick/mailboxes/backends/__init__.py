"""Ways to carry mail."""
