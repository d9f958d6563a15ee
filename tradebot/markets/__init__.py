"""Dated rules of real markets: sessions and holidays, charges and taxes, index members."""
