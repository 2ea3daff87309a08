"""What is inside a network, shown: each explainer knows no network of ours."""
