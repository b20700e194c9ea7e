"""Exporters: findings, spans and metrics for OpenTelemetry backends, made from frozen data only."""
