"""Where everything is kept: SQLAlchemy Core over SQLite or PostgreSQL, behind `engine.ports.Store`."""
