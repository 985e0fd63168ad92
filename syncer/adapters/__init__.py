"""What drives each platform: its models, its settings, its requests and their answers."""
