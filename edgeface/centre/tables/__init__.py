"""The tables of the centre's database: one module for each group of them."""
