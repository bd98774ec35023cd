"""What the site gives to whoever wants to compute with its numbers: tables, schemas, and what there is."""
