"""Pixels: OpenCV, drawing, and reading photos in a sandbox."""
