"""How to reach one answer: a model in this process, one behind an address, and the layers around them."""
