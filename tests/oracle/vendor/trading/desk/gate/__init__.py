"""The pre-trade controls, one small class each, and the gate that asks all of them."""
