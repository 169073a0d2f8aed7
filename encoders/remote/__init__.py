"""Encoders behind a server, and how they are asked. Knows no model."""
