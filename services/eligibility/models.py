"""The tables of eligibility: none of its own yet. Decisions stand in the tables that every service has."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass


class Base(MappedAsDataclass, DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData()
