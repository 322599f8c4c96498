"""What tests look at the project with."""
