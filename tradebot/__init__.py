"""tradebot: an asyncio trading daemon. Read `app.py` for the parts and `engine.py` for how they run."""

__version__ = "0.1.0"
