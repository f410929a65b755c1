"""Requests and responses: bodies, headers, limits, operations, problems."""
