"""Why a figure is red: the functions whose work rose, and the hunks of the diff behind them."""
