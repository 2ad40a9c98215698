"""What people rated and did, in SQLite or PostgreSQL: durable before it is acknowledged."""

from .database import open_database
from .people import Page, Row, Store

__all__ = ["Page", "Row", "Store", "open_database"]
