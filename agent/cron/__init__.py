"""`deployer-cron`: starts scheduled containers at their times and keeps the records of their runs. Needs no agent."""
