"""DICOM Verification (C-ECHO) for Python."""

__version__ = "1.0.0.dev0"
