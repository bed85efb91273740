"""From protocols and predictions to tables."""
