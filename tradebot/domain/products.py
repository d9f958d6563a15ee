"""The products of an order, by their names in journals, tables and settings.

The first closes by the end of the day, shares bought for delivery (CNC) become a holding, other positions (NRML) are
carried overnight.
"""

from __future__ import annotations

from typing import Literal, get_args

Product = Literal["MIS", "CNC", "NRML"]
PRODUCTS: tuple[Product, Product, Product] = get_args(Product)
INTRADAY, DELIVERY, CARRIED = PRODUCTS
