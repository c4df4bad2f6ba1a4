"""What commands answer: the JSON envelope, its schema, and one typed result for each command."""
