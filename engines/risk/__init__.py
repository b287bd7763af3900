"""Risk figures of portfolios, and limits that are enforced on them."""
