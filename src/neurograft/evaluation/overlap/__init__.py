"""How much two label maps overlap, in every figure that the field uses."""
