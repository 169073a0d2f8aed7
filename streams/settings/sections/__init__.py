"""The sections of the settings, each with its fields. A section knows no other section."""
