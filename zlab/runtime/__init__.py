"""The runtime brings a topology to life: contexts, sockets, threads, and the clock that watches them."""
