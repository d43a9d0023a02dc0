"""What a fitted task gives: explanations, pictures, the HTML page, the file it is saved in."""
