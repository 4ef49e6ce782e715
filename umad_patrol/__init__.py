"""Reference-based anomaly detection for patrol robots: teach a route once, then say what is new."""

__version__ = "0.1.0"
