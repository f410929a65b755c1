"""What the head-turn challenge lets pass: pictures that are turned and moved, and heads that turn."""
