"""The machines that play droplets: what they are made from, how they run, and how they are reached."""
