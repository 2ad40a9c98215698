"""Dense learning: restricted machines of any two layers, from matrices of cases; one loop for every method."""
