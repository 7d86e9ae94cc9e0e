"""Small programs that are wrong, a file for each mistake, and some that are right: what the doctor is tried on."""
