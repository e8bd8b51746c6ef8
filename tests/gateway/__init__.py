"""Tests of the gateway: real sockets, a hub process of each variant, programmable sessions behind them."""
