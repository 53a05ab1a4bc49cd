"""What operators and developers type."""
