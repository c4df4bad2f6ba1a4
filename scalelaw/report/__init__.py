"""From fits and optima to one PDF; it draws and computes nothing."""
