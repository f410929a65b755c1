"""A device's part of a fleet: it joins, follows the people of its sites, and matches them for as long as it may."""
