"""What is measured in a structure: volume, intensity, contrast ratio, and whether to trust it."""
