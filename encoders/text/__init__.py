"""Text encoders on torch, and feature hashing. Knows no other medium."""
