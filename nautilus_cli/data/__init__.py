"""Files of positions and prices, row by row, and the engines that take them."""
