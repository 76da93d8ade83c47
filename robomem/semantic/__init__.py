"""What is there: things believed in, and the evidence for and against them."""
