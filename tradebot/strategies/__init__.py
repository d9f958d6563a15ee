"""The Strategy interface and the strategies that ship, one page each."""
