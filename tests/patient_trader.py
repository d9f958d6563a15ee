"""The text of two strategies for daemons of tests: both open whatever bar comes, one closes again, one never does."""

PATIENT = """
from tradebot.domain.messages import Action
from tradebot.strategies.strategy import Intent, Strategy


class Trader(Strategy):
    def decide(self, bar, now, position):
        if not position.is_flat:
            return None
        return Intent(action=Action.ENTER_LONG, quantity=1 + now // 60_000_000_000 % 6)  # equal ones are held back
"""
EAGER = PATIENT.replace("return None", "return Intent(action=Action.EXIT_LONG)")
