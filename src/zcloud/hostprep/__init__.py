"""Looking at hosts before they are used: what they are, and whether KVM really runs a guest there."""
