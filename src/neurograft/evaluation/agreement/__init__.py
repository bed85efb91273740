"""How far two methods, raters or sessions agree on a measured quantity."""
