"""Plexus as the sandbox plays it: the GraphQL API that Amplify generates from the described models."""
