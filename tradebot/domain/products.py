"""The products in which an order may be, by their names in journals, tables and settings; what they mean is everywhere.

What is bought intraday is gone by the evening, what is bought for delivery becomes a holding, the rest is carried.
"""

from __future__ import annotations

from typing import Literal, get_args

Product = Literal["MIS", "CNC", "NRML"]
PRODUCTS: tuple[Product, Product, Product] = get_args(Product)
INTRADAY, DELIVERY, CARRIED = PRODUCTS
