"""Integers to bytes and back: frequency tables, the range coder, exact integer networks.

Everything that decides which symbols are decoded is an integer here, so the same bytes give the
same symbols on every machine. `IntegerNetwork` lives in `ncodec.entropy.integer_network`: it
imports torch, this package does not.
"""

from ncodec.entropy.coder import Decoder, Encoder, ideal_bits
from ncodec.entropy.tables import MAX_MAGNITUDE, PRECISION, TOTAL, Tables

__all__ = ["MAX_MAGNITUDE", "PRECISION", "TOTAL", "Decoder", "Encoder", "Tables", "ideal_bits"]
