"""The web console: pages over the services that the API calls, for people with a browser."""
