"""What a worker does with each kind of batch, one class per stage. Knows neither threads, sinks nor other stages."""
