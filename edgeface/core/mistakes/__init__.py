"""Mistakes in settings files, in the words of the person who wrote the file."""
