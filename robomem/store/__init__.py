"""The `.rmem` folder: one writer, many readers; what is committed survives."""
