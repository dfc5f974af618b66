"""What machines and components use: sampled and reported, kept, watched, and judged where there are limits."""
