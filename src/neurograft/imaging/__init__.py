"""One volume: its geometry, its file, its labels, and the way from the file to a network's input and back."""
