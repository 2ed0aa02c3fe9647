"""Codecs: media to chunks and back. The only room where models and entropy coding meet."""
