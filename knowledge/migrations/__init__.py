"""Schema migrations (Alembic). Written by hand; a test compares the result with the tables of all packages."""
