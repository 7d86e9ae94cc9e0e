"""From the record to figures: where did every message go?"""
