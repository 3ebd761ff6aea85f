"""The production targets as rules and dashboards for Prometheus and Grafana."""
