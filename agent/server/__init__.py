"""The node agent: a droplet's HTTPS service on port 9999 between the controller and Docker and nginx."""
