"""The only place that builds things: settings to encoder, model, recommender, state, sinks and worker."""
