"""What can be done with people: enroll, erase, export, expire."""
