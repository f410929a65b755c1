"""The languages of the pages: one catalogue for each, and which one a browser gets."""
