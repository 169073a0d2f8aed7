"""Where the vectors of a catalog stand: in memory of this process, or once for several processes of one machine."""
