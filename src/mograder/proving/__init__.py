"""Trying an item before students get it: its solution, its release, and mistakes that its checks should notice."""
