"""What an account sees of the centre: the pages and the REST interface show the same."""
