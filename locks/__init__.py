"""The locks: every package of our environments with the hashes of its files; renewed, audited, told as an SBOM."""
