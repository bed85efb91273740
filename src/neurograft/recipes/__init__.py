"""Recipes: what a training does, as validated data. The YAML files here are package data."""

from neurograft.recipes.loading import load_recipe, recipe_names
from neurograft.recipes.schema import Recipe

__all__ = ["Recipe", "load_recipe", "recipe_names"]
