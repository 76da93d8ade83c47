"""The map in the files of others: OctoMap, PLY, and the map server of nav2."""
