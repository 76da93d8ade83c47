"""Where a robot can go: places in free space, the ways between them, rooms, routes; and graphs of streets."""
