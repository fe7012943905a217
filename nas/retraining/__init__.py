"""The best networks of a run trained again, with many recipes."""
