"""Files against files: pair them, read them on one grid, measure, and make the tables."""
