"""From ``source/`` to ``release/``: what students get of an assignment or a lecture."""
