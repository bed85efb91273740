"""Demonstrations: the whole job on made and on real scans."""
