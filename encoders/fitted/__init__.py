"""What is fitted to a catalogue and kept in a file: projections, fusions, topics. Knows no text model."""
