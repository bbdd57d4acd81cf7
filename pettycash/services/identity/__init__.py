"""Who somebody is: signing in, sessions, second factors, API keys, throttles."""
