"""`robomem bench memory`: what a memory makes of generated lives, held against their truth."""
