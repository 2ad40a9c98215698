"""Runs migrations on the connection that `upgrade` hands over."""

from alembic import context

from harmonium.serving.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":  # two services that start together: the second one waits
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7286541)")
    context.run_migrations()
