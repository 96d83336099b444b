"""What Alembic runs around a migration: it hands over the connection that `migrate.py` opened."""

from alembic import context

from hub.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
