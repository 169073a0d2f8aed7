"""What a worker does with each kind of batch, one class per stage. Knows neither Faust nor the other stages."""
