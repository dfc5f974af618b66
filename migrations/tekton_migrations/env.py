"""Alembic's environment: it migrates on the connection that the server passes in, inside the server's event loop."""

from alembic import context

from tekton_server.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
