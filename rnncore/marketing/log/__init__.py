"""How an event log comes to be and what it holds: sources read, cells parsed, rows sifted, and all of it told."""
