"""The processes of Mathematricks Trader; one folder each, and what they share."""
