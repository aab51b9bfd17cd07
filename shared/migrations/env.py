"""Alembic's environment, one for all services: runs the versions of the service that the caller names."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
