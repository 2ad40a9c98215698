"""Users, their ratings and events, and API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", KEY, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ratings",
        sa.Column("user", KEY, nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("rating", sa.Double, nullable=True),
        sa.Column("rated_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("user", "item", name="pk_ratings"),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_ratings_user", ondelete="CASCADE"),
    )
    op.create_table(
        "events",
        sa.Column("id", KEY, autoincrement=True),
        sa.Column("user", KEY, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("item", sa.Text, nullable=True),
        sa.Column("rating", sa.Double, nullable=True),
        sa.Column("happened_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name="fk_events_user", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_user", "events", ["user"])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("keys", "events", "ratings", "users"):
        op.drop_table(table)
