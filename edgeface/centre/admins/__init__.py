"""Where admins and their programs connect: accounts with rights by site, a second factor, and the REST interface."""
