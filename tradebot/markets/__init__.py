"""Rules of real markets by date: sessions and holidays, charges and taxes, index members."""
