"""The only place that imports diffusers: loading, arguments, and the models that are kept warm."""
