"""A model that computes nothing but remembers everything."""

from fake_model import fake

__all__ = ["fake"]
