"""Where the vectors of a catalog stand: in memory of this process, or once for several; and which of them changed."""
