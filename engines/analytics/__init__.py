"""Performance analytics of portfolios."""
